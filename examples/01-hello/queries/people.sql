-- Who was greeted
select name, times, language from greeted.people order by times desc, name;

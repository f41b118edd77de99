-- What is stored: it never changes
select type, version, count(*) as events from sys.events where topic = 'events'
group by type, version order by type, version;

-- What became of the commands of commands/
select id, type, key, outcome, code, text from sys.commands where source = '' order by position;

-- What is waited for
select saga, key, timer, due from sys.timers order by due, key

-- Where each checkout stands
select key, status, step, reason from sys.sagas order by key

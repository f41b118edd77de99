-- Bikes that are due for service
select * from due order by bike

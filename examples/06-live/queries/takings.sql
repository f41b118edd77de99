-- What each station took, day by day
select * from days order by day, station

-- What was bought is free, or with those whose order stands
select s.sku, s.bought, s.free from stock s order by s.sku

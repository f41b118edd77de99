-- What the accountants get: version 1 of every booking
select key as booking, json_extract(data, '$.version') as version, json_extract(data, '$.guest') as guest,
  json_extract(data, '$.price') as price
from sys.events where type = 'BookingExported' order by key;

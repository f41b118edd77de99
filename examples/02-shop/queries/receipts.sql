-- Receipts that were asked for
select key as order_id, json_extract(data, '$.customer') as customer, json_extract(data, '$.text') as text
from sys.events where type = 'ReceiptRequested' order by key;

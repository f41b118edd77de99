-- Orders by status
select status, count(*) as orders, sum(total_cents) as total_cents
from order_status.orders group by status order by status;

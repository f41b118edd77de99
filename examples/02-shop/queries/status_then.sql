-- Orders by status as they were at the end of 3 March
-- ask with: --as-of 2026-03-03
select status, count(*) as orders, sum(total_cents) as total_cents
from order_status.orders group by status order by status;

-- Orders that wait for their money
select order_id, customer, total_cents, placed_at
from order_status.orders where status in ('placed', 'payment failed') order by placed_at;

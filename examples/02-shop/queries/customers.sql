-- The best customers
select customer, sum(payments) as payments, sum(amount_cents) as amount_cents
from revenue.by_day group by customer order by amount_cents desc, customer limit 5;

-- Revenue per day
select day, sum(payments) as payments, sum(amount_cents) as amount_cents
from revenue.by_day group by day order by day;

-- How much went in and out, by account
select account, sum(max(cents, 0)) as paid_in, sum(min(cents, 0)) as paid_out, count(*) as movements
from movements group by account order by account;

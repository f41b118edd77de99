-- How the orders ended
select order_id, status, reason from orders order by order_id

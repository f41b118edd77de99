-- How the orders ended
select order_id, status, reason, parcel from orders order by order_id

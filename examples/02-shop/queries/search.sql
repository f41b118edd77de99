-- Gifts among the orders
select order_id, customer, items, note
from order_search.texts where texts match 'gift OR birthday' order by order_id;

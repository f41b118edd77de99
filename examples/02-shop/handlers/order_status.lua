-- Where every order stands. Orders, payments and shipments are topics of their own, and events of
-- different topics may come in any order; so each writes its own columns, and the status follows from
-- all of them.
local function sets(column, value)
  return function(event, db) db.orders:put { order_id = event.key, [column] = value } end
end

projection "order_status" {
  schema = [[
    create table orders(
      order_id text primary key, customer text, total_cents integer, placed_at text,
      cancelled integer not null default 0, payment text, shipment text,
      status text generated always as (case
        when cancelled then 'cancelled'
        when shipment is not null then shipment
        when payment is not null then payment
        else 'placed' end) virtual
    );
    create index orders_by_customer on orders(customer);
  ]],
  on = {
    OrderPlaced = function(event, db)
      db.orders:put {
        order_id = event.key, customer = event.data.customer, total_cents = event.data.total_cents,
        placed_at = event.time,
      }
    end,
    OrderCancelled = function(event, db) db.orders:put { order_id = event.key, cancelled = 1 } end,

    PaymentCompleted = sets("payment", "paid"),
    PaymentFailed = sets("payment", "payment failed"),
    PaymentRefunded = sets("payment", "refunded"),

    OrderShipped = sets("shipment", "shipped"),
    OrderDelivered = sets("shipment", "delivered"),
  },
}

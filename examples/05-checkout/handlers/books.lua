-- The read side: how each order ended, what is in store, what each card paid.
projection "books" {
  schema = [[
    create table orders(order_id text primary key, status text not null, total_cents integer not null,
                        reason text, parcel text);
    create table stock(sku text primary key, bought integer not null, free integer not null);
    create table cards(card text primary key, paid_cents integer not null);
  ]],
  on = {
    OrderCreated = function(event, db)
      db.orders:put { order_id = event.key, status = "pending", total_cents = event.data.total_cents }
    end,
    OrderConfirmed = function(event, db) db.orders:update(event.key, { status = "confirmed" }) end,
    OrderCancelled = function(event, db)
      db.orders:update(event.key, { status = "cancelled", reason = event.data.reason })
    end,
    ParcelNumbered = function(event, db) db.orders:update(event.key, { parcel = event.data.number }) end,
    StockAdded = function(event, db)
      db.stock:add(event.key, { bought = event.data.quantity, free = event.data.quantity })
    end,
    InventoryReserved = function(event, db) db.stock:add(event.key, { bought = 0, free = -event.data.quantity }) end,
    InventoryReleased = function(event, db) db.stock:add(event.key, { bought = 0, free = event.data.quantity }) end,
    PaymentCompleted = function(event, db) db.cards:add(event.key, { paid_cents = event.data.amount_cents }) end,
    PaymentRefunded = function(event, db) db.cards:add(event.key, { paid_cents = -event.data.amount_cents }) end,
  },
}

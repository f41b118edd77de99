-- Rows that say nothing of where in the log their events stand, so that they come out the same of some of them.
projection "parcels" {
  schema = [[
    create table orders(id text primary key, status text not null, cents integer, paid_at text,
      reminders integer not null default 0, out_of_stock integer not null default 0);
    create table packages(id text primary key, size integer not null, failures integer not null default 0,
      delivered_at text);
    create table packed(order_id text, package_id text, note text, primary key(order_id, package_id)) without rowid;
    create table items(id text primary key, picks integer not null, last text);
    create table waiting(id text primary key, since text);
    create virtual table found using fts5(id unindexed, words);
  ]],
  on = {
    OrderPlaced = function(event, db)
      db.orders:put { id = event.key, status = "placed", cents = math.floor(event.data.price * 100 + 0.5) }
      db.waiting:put { id = event.key, since = event.time }
      db.found:put { id = event.key, words = table.concat(event.data.items, " ") }
    end,
    OrderConfirmed = function(event, db) db.orders:update(event.key, { status = "confirmed" }) end,
    OrderPaid = function(event, db)
      db.orders:update(event.key, { status = "paid", paid_at = event.time })
      db.waiting:delete(event.key)
      db.found:update(event.key, { words = "paid" })
    end,
    PaymentReminderSent = function(event, db)
      db:exec("update orders set reminders = reminders + 1 where id = ?", event.key)
    end,
    ItemWentOutOfStock = function(event, db) db.orders:add(event.key, { out_of_stock = 1 }) end,
    ItemPicked = function(event, db)
      for _, item in ipairs(event.data.items) do
        db.items:add(item, { picks = 1 })
        db.items:update(item, { last = event.time })
      end
    end,
    PackageCreated = function(event, db)
      db.packages:put { id = event.key, size = #event.data.orders }
      for _, order in ipairs(event.data.orders) do
        db:exec("insert into packed values (?, ?, ?) on conflict do update set note = excluded.note",
          order, event.key, event.time)
      end
    end,
    DeliveryFailed = function(event, db) db.packages:add(event.key, { failures = 1 }) end,
    PackageDelivered = function(event, db)
      db.packages:update(event.key, { delivered_at = event.time })
      for pack in db.packed:each { package_id = event.key } do
        local order = db.orders:get(pack.order_id)
        db.orders:update(pack.order_id, { status = order.paid_at and "done" or "delivered" })
      end
    end,
  },
}

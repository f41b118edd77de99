-- Everything that truth.json of the orders set asks; prices become cents where they are read.

local function cents(price) return math.floor(price * 100 + 0.5) end

local function count(event, db, price)
  db.types:add(event.type, { n = 1, cents = price and cents(price) or 0 })
end

projection "fulfilment" {
  schema = [[
    create table types(type text primary key, n integer, cents integer);
    create table orders(id text primary key, placed_us integer, paid_us integer, paid_at integer,
      confirmed_at integer, reminders integer default 0, out_of_stock integer default 0);
    create table packages(id text primary key, size integer, failures integer default 0, delivered_at integer);
    create table packed(order_id text, package_id text, primary key(order_id, package_id));
    create table items(id text primary key, picks integer);
  ]],
  on = {
    OrderPlaced = function(event, db)
      count(event, db, event.data.price)
      db.orders:put { id = event.key, placed_us = moontide.time(event.time) }
    end,
    OrderConfirmed = function(event, db)
      count(event, db)
      db.orders:put { id = event.key, confirmed_at = event.position }
    end,
    OrderPaid = function(event, db)
      count(event, db, event.data.price)
      db.orders:put { id = event.key, paid_us = moontide.time(event.time), paid_at = event.position }
    end,
    PaymentReminderSent = function(event, db)
      count(event, db)
      db.orders:add(event.key, { reminders = 1 })
    end,
    ItemWentOutOfStock = function(event, db)
      count(event, db)
      db.orders:add(event.key, { out_of_stock = 1 })
    end,
    ItemReordered = function(event, db) count(event, db) end,
    ItemPicked = function(event, db)
      count(event, db)
      for _, item in ipairs(event.data.items) do db.items:add(item, { picks = 1 }) end
    end,
    PackageCreated = function(event, db)
      count(event, db)
      db.packages:put { id = event.key, size = #event.data.orders }
      for _, order in ipairs(event.data.orders) do
        db.packed:put { order_id = order, package_id = event.key }
      end
    end,
    PackageSent = function(event, db) count(event, db) end,
    DeliveryFailed = function(event, db)
      count(event, db)
      db.packages:add(event.key, { failures = 1 })
    end,
    PackageDelivered = function(event, db)
      count(event, db)
      db.packages:update(event.key, { delivered_at = event.position })
    end,
  },
}

-- What each customer paid on each day (UTC), in cents; refunds count on the day they are made.
local function add(event, db, payments, amount_cents)
  local day = event.time:sub(1, 10)
  db.by_day:add({ event.data.customer, day }, { payments = payments, amount_cents = amount_cents })
end

projection "revenue" {
  schema = [[
    create table by_day(
      customer text, day text, payments integer not null default 0, amount_cents integer not null default 0,
      primary key(customer, day)
    );
  ]],
  on = {
    PaymentCompleted = function(event, db) add(event, db, 1, event.data.amount_cents) end,
    PaymentRefunded = function(event, db) add(event, db, 0, -event.data.amount_cents) end,
  },
}

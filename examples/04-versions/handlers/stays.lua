-- Knows nothing of the past: every booking comes as RoomBooked version 3, every departure as GuestLeft.
projection "stays" {
  schema = [[
    create table stays(
      booking text primary key, first text, last text, arrival text, nights integer, price_cents integer,
      minibar_cents integer not null default 0, rating integer
    );
  ]],
  on = {
    RoomBooked = function(event, db)
      local data = event.data
      db.stays:put {
        booking = event.key, first = data.first, last = data.last, arrival = data.arrival,
        nights = data.nights, price_cents = data.price_cents,
      }
    end,
    GuestLeft = function(event, db) db.stays:update(event.key, { rating = event.data.rating }) end,
    MinibarCharged = function(event, db)
      db.stays:add(event.key, { minibar_cents = event.data.amount_cents })
    end,
  },
}

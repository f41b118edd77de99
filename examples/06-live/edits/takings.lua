-- What each station took, a day, in cents, refunds taken off.
local function cents(price) return math.floor(assert(tonumber(price)) * 100 + 0.5) end

projection "takings" {
  schema = [[
    create table days(day text, station text, rides integer not null default 0, cents integer not null default 0,
      primary key (day, station));
  ]],
  on = {
    RideEnded = function(event, db)
      db.days:add({ event.time:sub(1, 10), event.data.station }, { rides = 1, cents = cents(event.data.price) })
    end,
    RideRefunded = function(event, db)
      db.days:add({ event.time:sub(1, 10), event.data.station }, { cents = -cents(event.data.price) })
    end,
  },
}

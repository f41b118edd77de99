-- What each station took, a day. Refunds were forgotten, and prices lose their cents: edits/takings.lua mends both.
projection "takings" {
  schema = [[
    create table days(day text, station text, rides integer not null default 0, euros integer not null default 0,
      primary key (day, station));
  ]],
  on = {
    RideEnded = function(event, db)
      db.days:add({ event.time:sub(1, 10), event.data.station },
        { rides = 1, euros = math.floor(assert(tonumber(event.data.price))) })
    end,
  },
}

-- Every third ride a bike is due for service. Says so, in the log.
consumer "service" {
  from = "start",
  on = {
    RideEnded = function(event, ctx)
      ctx.state.rides = (ctx.state.rides or 0) + 1
      if ctx.state.rides % 3 == 0 then
        ctx.emit(events.ServiceRequested({ bike = event.key, rides = ctx.state.rides }, { topic = "workshop" }))
      end
    end,
  },
}

-- The workshop's list.
projection "workshop" {
  schema = [[ create table due(bike text primary key, since text, rides integer); ]],
  topics = { "workshop" },
  on = {
    ServiceRequested = function(event, db)
      db.due:put { bike = event.data.bike, since = event.time, rides = event.data.rides }
    end,
  },
}

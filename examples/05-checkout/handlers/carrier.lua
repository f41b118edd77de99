-- The outside world: the carrier is told of each parcel, over HTTP. The effect is recorded with this event and
-- performed afterwards, again and again under the same key until the carrier has answered; its answer comes back.
consumer "carrier" {
  from = "start",
  on = {
    ParcelSent = function(event, ctx)
      ctx.effect("http", {
        url = ctx.env.CARRIER_URL .. "/parcels",
        headers = { Authorization = "Bearer " .. ctx.env.CARRIER_TOKEN },
        json = { order_id = event.key, address = event.data.address },
        about = { order_id = event.key, time = event.time },
      })
    end,
  },
  on_result = function(result, ctx)
    if not result.data.ok then return end
    local about = result.data.about
    -- The example is replayed years later, and its timers go by event time: this happened then, not now.
    ctx.emit(events.ParcelNumbered({ order_id = about.order_id, number = result.data.json.number },
                                   { topic = "shipping", key = about.order_id, time = about.time }))
  end,
}

-- One parcel an order.
decider "shipping" {
  topic = "shipping",
  key = "order_id",
  initial = function() return { sent = false } end,
  decide = {
    SendParcel = function(command, state)
      if state.sent then return {} end
      if not command.data.address then return reject("NO_ADDRESS", "nobody knows where to send it") end
      return events.ParcelSent { order_id = command.data.order_id, address = command.data.address }
    end,
  },
  evolve = { ParcelSent = function(state) state.sent = true; return state end },
}

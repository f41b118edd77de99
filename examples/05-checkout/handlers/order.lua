-- An order is pending until its checkout has ended.
decider "order" {
  topic = "orders",
  key = "order_id",
  initial = function() return { status = "none" } end,

  decide = {
    CreateOrder = function(command, state)
      if state.status ~= "none" then return reject("ORDER_EXISTS", "there is an order of that number") end
      return events.OrderCreated(table.copy(command.data))
    end,
    ConfirmOrder = function(command, state)
      if state.status == "confirmed" then return {} end
      if state.status ~= "pending" then return reject("NOT_PENDING", "the order is " .. state.status) end
      return events.OrderConfirmed { order_id = command.data.order_id, total_cents = state.total_cents }
    end,
    CancelOrder = function(command, state)
      if state.status == "cancelled" then return {} end
      if state.status ~= "pending" then return reject("NOT_PENDING", "the order is " .. state.status) end
      return events.OrderCancelled { order_id = command.data.order_id, reason = command.data.reason }
    end,
  },

  evolve = {
    OrderCreated = function(state, event)
      state.status = "pending"
      state.total_cents = event.data.total_cents
      return state
    end,
    OrderConfirmed = function(state) state.status = "confirmed"; return state end,
    OrderCancelled = function(state) state.status = "cancelled"; return state end,
  },
}

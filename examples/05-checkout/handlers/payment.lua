-- What a card may pay. Cards whose number begins with "slow" are charged by somebody who answers later, by
-- CompletePayment, whatever was said meanwhile.
decider "payment" {
  topic = "payments",
  key = "card",
  initial = function() return { limit_cents = 10000, charged_cents = 0, charges = {} } end,

  decide = {
    ChargePayment = function(command, state)
      local asked = command.data
      if state.charges[asked.order_id] then return {} end
      if state.charged_cents + asked.amount_cents > state.limit_cents then
        return events.PaymentFailed { order_id = asked.order_id, amount_cents = asked.amount_cents }
      end
      local payment = { order_id = asked.order_id, payment_id = "pay-" .. asked.order_id,
                        amount_cents = asked.amount_cents }
      if asked.card:sub(1, 4) == "slow" then return events.PaymentRequested(payment) end
      return events.PaymentCompleted(payment)
    end,
    CompletePayment = function(command, state)
      local charge = state.charges[command.data.order_id]
      if not charge or charge.status == "charged" then return {} end
      return events.PaymentCompleted { order_id = command.data.order_id, amount_cents = charge.amount_cents,
                                       payment_id = "pay-" .. command.data.order_id }
    end,
    CancelCharge = function(command, state)
      local charge = state.charges[command.data.order_id]
      if not charge then return {} end
      return events.ChargeCancelled { order_id = command.data.order_id, amount_cents = charge.amount_cents }
    end,
    RefundPayment = function(command, state)
      local charge = state.charges[command.data.order_id]
      if not charge or charge.status ~= "charged" then return {} end
      return events.PaymentRefunded { order_id = command.data.order_id, payment_id = command.data.payment_id,
                                      amount_cents = charge.amount_cents }
    end,
  },

  evolve = {
    PaymentRequested = function(state, event)
      state.charges[event.data.order_id] = { status = "requested", amount_cents = event.data.amount_cents }
      return state
    end,
    PaymentCompleted = function(state, event)
      state.charges[event.data.order_id] = { status = "charged", amount_cents = event.data.amount_cents }
      state.charged_cents = state.charged_cents + event.data.amount_cents
      return state
    end,
    ChargeCancelled = function(state, event)
      local charge = state.charges[event.data.order_id]
      if charge and charge.status == "requested" then charge.status = "cancelled" end
      return state
    end,
    PaymentRefunded = function(state, event)
      state.charges[event.data.order_id].status = "refunded"
      state.charged_cents = state.charged_cents - event.data.amount_cents
      return state
    end,
  },
}

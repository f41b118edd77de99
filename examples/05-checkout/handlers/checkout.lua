-- An order from its creation to its end: stock is reserved, money is charged, the parcel is sent. Where one of them
-- fails, what was done before is undone, from the last to the first.
saga "checkout" {
  starts_on = "OrderCreated",
  from = "start",
  -- The example is replayed years later: its timers go by the time of its events.
  clock = "event",
  correlate = function(event) return event.data.order_id end,
  initial = function(event)
    local order = event.data
    return { order_id = order.order_id, sku = order.sku, quantity = order.quantity, card = order.card,
             total_cents = order.total_cents, address = order.address }
  end,

  steps = {
    { name = "reserve inventory",
      send = function(state)
        return commands.ReserveInventory { sku = state.sku, order_id = state.order_id, quantity = state.quantity }
      end,
      succeeds_on = "InventoryReserved", timeout = "15m",
      compensate = function(state)
        return commands.ReleaseInventory { sku = state.sku, order_id = state.order_id }
      end },

    { name = "charge payment",
      send = function(state)
        return commands.ChargePayment { card = state.card, order_id = state.order_id, amount_cents = state.total_cents }
      end,
      succeeds_on = "PaymentCompleted", fails_on = "PaymentFailed", timeout = "1h",
      compensate = function(state, result)
        -- It timed out: nobody knows whether it was charged.
        if not result then return commands.CancelCharge { card = state.card, order_id = state.order_id } end
        return commands.RefundPayment { card = state.card, order_id = state.order_id,
                                        payment_id = result.data.payment_id }
      end },

    -- A parcel that is on its way is not called back: this step comes last and has nothing to undo it. It is done
    -- when its command is accepted.
    { name = "send parcel",
      send = function(state) return commands.SendParcel { order_id = state.order_id, address = state.address } end },
  },

  completed = function(state) return commands.ConfirmOrder { order_id = state.order_id } end,
  compensated = function(state, why)
    return commands.CancelOrder { order_id = state.order_id, reason = why.reason }
  end,
}

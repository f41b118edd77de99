local money = require "lib.money"

-- Asks for a receipt for every completed payment: one event each, however often the runtime is killed.
-- `ctx.state` is durable and belongs to the event's key, here the order: an order whose first payment
-- failed and was repeated gets receipt number 1 all the same.
consumer "receipts" {
  from = "start",
  on = {
    PaymentCompleted = function(event, ctx)
      ctx.state.receipts = (ctx.state.receipts or 0) + 1
      ctx.emit(events.ReceiptRequested({
        customer = event.data.customer,
        number = ctx.state.receipts,
        text = "You paid " .. money.text(event.data.amount_cents) .. " EUR for order " .. event.key,
      }, { topic = "receipts" }))
    end,
  },
}

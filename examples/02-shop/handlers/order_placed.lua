local money = require "lib.money"

-- Until March 3 orders carried their total as a decimal number. Handlers see version 2 only.
upcaster "OrderPlaced" {
  [1] = function(data)
    data.total_cents = money.cents(data.total)
    data.total = nil
    return data
  end,
}

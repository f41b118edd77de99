-- A consumer may send commands: whoever opens an account gets five euros from the bank.
consumer "welcome" {
  topics = { "accounts" },
  from = "start",
  on = {
    AccountOpened = function(event, ctx)
      ctx.send(commands.DepositMoney { account = event.key, amount_cents = 500, by = "the bank" })
    end,
  },
}

-- The write side: an account takes commands, decides by its own events, and never goes below zero.
decider "account" {
  topic = "accounts",
  key = "account",
  snapshot_every = 100,

  initial = function() return { status = "none", balance_cents = 0 } end,

  decide = {
    OpenAccount = function(command, state)
      if state.status ~= "none" then return reject("ALREADY_OPEN", "the account is open already") end
      return events.AccountOpened { owner = command.data.owner }
    end,

    DepositMoney = function(command, state)
      local amount = command.data.amount_cents
      if state.status ~= "open" then return reject("NOT_OPEN", "there is no such open account") end
      if amount <= 0 then return reject("BAD_AMOUNT", "an amount is above zero") end
      return events.MoneyDeposited { amount_cents = amount, by = command.data.by }
    end,

    WithdrawMoney = function(command, state)
      local amount = command.data.amount_cents
      if state.status ~= "open" then return reject("NOT_OPEN", "there is no such open account") end
      if amount <= 0 then return reject("BAD_AMOUNT", "an amount is above zero") end
      if amount > state.balance_cents then
        return reject("NO_FUNDS", "the account holds " .. state.balance_cents .. " cents")
      end
      return events.MoneyWithdrawn { amount_cents = amount }
    end,

    CloseAccount = function(command, state)
      if state.status ~= "open" then return reject("NOT_OPEN", "there is no such open account") end
      if state.balance_cents == 0 then return events.AccountClosed {} end
      -- One decision, two events: both are in the log, or neither.
      return {
        events.MoneyWithdrawn { amount_cents = state.balance_cents },
        events.AccountClosed {},
      }
    end,
  },

  evolve = {
    AccountOpened = function(state, event)
      state.status = "open"
      state.owner = event.data.owner
      return state
    end,
    MoneyDeposited = function(state, event)
      state.balance_cents = state.balance_cents + event.data.amount_cents
      return state
    end,
    MoneyWithdrawn = function(state, event)
      state.balance_cents = state.balance_cents - event.data.amount_cents
      return state
    end,
    AccountClosed = function(state)
      state.status = "closed"
      return state
    end,
  },
}

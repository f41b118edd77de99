-- The read side: what the accounts hold, and every movement.
projection "balances" {
  schema = [[
    create table accounts(account text primary key, owner text, status text not null, balance_cents integer not null);
    create table movements(id text primary key, account text not null, time text not null, cents integer not null);
    create index movements_by_account on movements(account, time);
  ]],
  topics = { "accounts" },
  on = {
    AccountOpened = function(event, db)
      db.accounts:put { account = event.key, owner = event.data.owner, status = "open", balance_cents = 0 }
    end,
    MoneyDeposited = function(event, db)
      db.accounts:add(event.key, { balance_cents = event.data.amount_cents })
      db.movements:put { id = event.id, account = event.key, time = event.time, cents = event.data.amount_cents }
    end,
    MoneyWithdrawn = function(event, db)
      db.accounts:add(event.key, { balance_cents = -event.data.amount_cents })
      db.movements:put { id = event.id, account = event.key, time = event.time, cents = -event.data.amount_cents }
    end,
    AccountClosed = function(event, db) db.accounts:update(event.key, { status = "closed" }) end,
  },
}

/// The write side of every simulated project: accounts that never go below zero, whose events were stored in
/// several versions over the years. What it all comes to is computed a second time by `AccountFold`.
///
/// A decision writes into its events what it was made on (`n` events as the state counts them, `mix`, edition
/// `e` of the scripts); a rejection says the same in its text. So the log alone tells whether it was right.
enum AccountScripts {
  /// What people edit between two lives.
  struct Edition: Sendable, Hashable {
    /// What `evolve` multiplies `mix` by.
    var factor: Int
    /// What the upcaster of `Deposited` puts into events that have no tag yet.
    var tag: Int
    /// Whether `evolve` fails at events of the type `Charged`.
    var isWorn = false
  }

  static let editions = [
    Edition(factor: 31, tag: 1), Edition(factor: 37, tag: 1), Edition(factor: 31, tag: 5),
    Edition(factor: 31, tag: 1, isWorn: true),
  ]
  static let modulus = 1_000_003
  /// Small, so that a state is rarely only folded.
  static let snapshotEvery = 3

  static func decider(_ number: Int) -> String {
    """
    local function made(state, data)
      data.n, data.mix, data.e = state.n, state.mix, \(number)
      return data
    end
    local function told(state)
      return "n=" .. state.n .. ",mix=" .. state.mix .. ",e=\(number);"
    end
    local function follow(state, cents, weight)
      state.n = state.n + 1
      state.balance = state.balance + cents
      state.mix = (state.mix * \(editions[number].factor) + weight) % \(modulus)
      return state
    end

    decider "account" {
      topic = "accounts", key = "account", snapshot_every = \(snapshotEvery),
      initial = function() return { n = 0, balance = 0, mix = 7 } end,
      decide = {
    \(decisions)
      },
      evolve = {
        Deposited = function(state, event)
          return follow(state, event.data.cents, event.data.cents + event.data.tag)
        end,
        Withdrawn = function(state, event) return follow(state, -event.data.cents, event.data.cents * 3) end,
        Stamped = function(state) return follow(state, 0, 11) end,
        Charged = function(state, event)
          \(editions[number].isWorn ? "error(\"worn\")" : "")
          local cents = math.min(event.data.cents, state.balance)
          return follow(state, -cents, cents * 5)
        end,
      },
    }
    """
  }

  private static let decisions = """
        Deposit = function(command, state)
          local amount = command.data.amount
          if amount % 3 == 0 then return events.Deposited(made(state, { amount = amount }), { version = 1 }) end
          if amount % 3 == 1 then
            return events.Deposited(made(state, { cents = amount * 10 }), { version = 2 })
          end
          return events.Deposited(made(state, { cents = amount * 10, tag = 3 }), { version = 3 })
        end,
        Withdraw = function(command, state)
          local cents = command.data.cents
          if cents > state.balance then return reject("NO_FUNDS", told(state)) end
          return events.Withdrawn(made(state, { cents = cents }))
        end,
        Sweep = function(command, state)
          if state.balance == 0 then return {} end
          return events.Swept(made(state, { all = state.balance }), { version = 1 })
        end,
        Turn = function(command, state)
          if state.balance == 0 then return reject("NOTHING", told(state)) end
          return {
            events.Withdrawn(made(state, { cents = state.balance })),
            events.Deposited(made(state, { amount = state.balance // 10 }), { version = 1 }),
          }
        end,
        Stamp = function(command, state)
          local seal = command.data.seal
          return events.Stamped({ seal = seal }, { id = "seal-" .. seal, time = "2026-01-01T00:00:00Z" })
        end,
        Break = function() error("broken") end,
    """

  static func upcasters(_ number: Int) -> String {
    """
    upcaster "Deposited" {
      [1] = function(data)
        data.cents = data.amount * 10
        data.amount = nil
        return data
      end,
      [2] = function(data)
        data.tag = \(editions[number].tag)
        return data
      end,
    }
    upcaster "Swept" {
      [1] = function(data)
        local half = data.all // 2
        return split { events.Withdrawn { cents = half }, events.Withdrawn { cents = data.all - half } }
      end,
    }
    upcaster "Noted" {
      [1] = function(data)
        if data.void then return drop() end
        return rename("Deposited", data, 1)
      end,
    }
    """
  }

  static let readers = """
    projection "till" {
      schema = [[
        create table tills(key text primary key, n integer not null, cents integer not null,
          tags integer not null) without rowid;
        create table parts(id text primary key, cents integer not null) without rowid;
      ]],
      topics = { "accounts" },
      on = {
        Deposited = function(event, db)
          db.tills:add(event.key, { n = 1, cents = event.data.cents, tags = event.data.tag })
          db.parts:put { id = event.id, cents = event.data.cents }
        end,
        Withdrawn = function(event, db)
          db.tills:add(event.key, { n = 1, cents = -event.data.cents, tags = 0 })
          db.parts:put { id = event.id, cents = -event.data.cents }
        end,
      },
    }
    consumer "clerk" {
      from = "start", topics = { "accounts" },
      on = {
        Withdrawn = function(event, ctx)
          local cents = event.data.cents
          ctx.emit { type = "Slip", topic = "slips", data = { cents = cents, of = event.id } }
          if cents % 4 == 1 then
            ctx.send(commands.Deposit { account = event.key, amount = cents % 7, of = event.id })
          end
        end,
      },
    }
    """
}

import MoontideLua
import MoontideRuntime

/// Orders that reserve stock, are paid and wrapped side by side, and shipped; or undone. What it all comes to
/// is judged by `OrderOracle`, `NagOracle` and `EffectOracle` from the log.
///
/// What fails is written into the order: `jam` (its stock cannot be given back), `balk` (it cannot be
/// confirmed), `trip` (the saga fails at charging), `mute` (the herald fails at it) until scripts are mended;
/// `slow` (the payment is answered later, by somebody else), `broken` and `far` (reserving and shipping fail)
/// for ever.
enum CheckoutScripts {
  /// Tries of what is refused and of what fails.
  static let attempts = 2
  /// Of the reminder: minutes after an order was made, after a payment was begun, and between two reminders;
  /// how often it reminds.
  static let nag = (first: 40, paying: 25, again: 50, most: 3)

  private static func deciders(isMended: Bool) -> String {
    """
    decider "order" {
      topic = "orders", key = "order", snapshot_every = 3,
      initial = function() return { status = "none" } end,
      decide = {
        CreateOrder = function(command, state)
          if state.status ~= "none" then return reject("ORDER_EXISTS", state.status) end
          return events.OrderCreated(table.copy(command.data))
        end,
        ShipParcel = function(command, state)
          if command.data.far then return reject("TOO_FAR", "no road") end
          return events.ParcelShipped { order = command.data.order }
        end,
        ConfirmOrder = function(command, state)
          \(isMended ? "" : "if command.data.balk then return reject(\"BALKED\", \"not now\") end")
          if state.status ~= "pending" then return reject("NOT_PENDING", state.status) end
          return events.OrderConfirmed { order = command.data.order }
        end,
        CancelOrder = function(command, state)
          if state.status ~= "pending" then return reject("NOT_PENDING", state.status) end
          return events.OrderCancelled { order = command.data.order, reason = command.data.reason }
        end,
      },
      evolve = {
        OrderCreated = function(state) state.status = "pending"; return state end,
        OrderConfirmed = function(state) state.status = "confirmed"; return state end,
        OrderCancelled = function(state) state.status = "cancelled"; return state end,
      },
    }
    decider "stock" {
      topic = "stock", key = "sku", snapshot_every = 4,
      initial = function() return { free = 0, held = {} } end,
      decide = {
        AddStock = function(command)
          return events.StockAdded { sku = command.data.sku, n = command.data.n }
        end,
        ReserveStock = function(command, state)
          local asked = command.data
          if asked.broken then error("broken") end
          if asked.n > state.free then return reject("OUT_OF_STOCK", "there are " .. state.free) end
          return events.StockReserved { sku = asked.sku, order = asked.order, n = asked.n }
        end,
        ReleaseStock = function(command, state)
          local asked = command.data
          \(isMended ? "" : "if asked.jam then return reject(\"JAMMED\", \"not now\") end")
          local n = state.held[asked.order]
          if not n then return {} end
          return events.StockReleased { sku = asked.sku, order = asked.order, n = n }
        end,
        WrapGift = function(command, state)
          if state.free < 1 then return reject("NO_PAPER", "none is left") end
          return events.GiftWrapped { sku = command.data.sku, ["for"] = command.data.order }
        end,
        UnwrapGift = function(command, state)
          if not state.held[command.data.order] then return {} end
          return events.GiftUnwrapped { sku = command.data.sku, ["for"] = command.data.order }
        end,
      },
      evolve = {
        StockAdded = function(state, event) state.free = state.free + event.data.n; return state end,
        StockReserved = function(state, event)
          state.free = state.free - event.data.n
          state.held[event.data.order] = event.data.n
          return state
        end,
        StockReleased = function(state, event)
          state.free = state.free + event.data.n
          state.held[event.data.order] = nil
          return state
        end,
        GiftWrapped = function(state, event)
          state.free = state.free - 1
          state.held[event.data["for"]] = 1
          return state
        end,
        GiftUnwrapped = function(state, event)
          state.free = state.free + 1
          state.held[event.data["for"]] = nil
          return state
        end,
      },
    }
    """
  }

  private static let card = """
    decider "card" {
      topic = "cards", key = "card", snapshot_every = 3,
      initial = function() return { paid = 0, charges = {} } end,
      decide = {
        Charge = function(command, state)
          local asked = command.data
          local charge = { card = asked.card, order = asked.order, cents = asked.cents }
          if state.charges[asked.order] then return {} end
          if state.paid + asked.cents > 5000 then return events.PaymentFailed(charge) end
          if asked.slow then return events.PaymentRequested(charge) end
          charge.payment = "p-" .. asked.order
          return events.PaymentCompleted(charge)
        end,
        -- Also of a charge that was cancelled: whoever answers did not know.
        CompletePayment = function(command, state)
          local order = command.data.order
          local charge = state.charges[order]
          if not charge or charge.status == "charged" or charge.status == "refunded" then return {} end
          return events.PaymentCompleted { card = command.data.card, order = order, cents = charge.cents,
                                           payment = "p-" .. order }
        end,
        CancelCharge = function(command, state)
          local charge = state.charges[command.data.order]
          if not charge or charge.status ~= "requested" then return {} end
          return events.ChargeCancelled { order = command.data.order }
        end,
        Refund = function(command, state)
          local charge = state.charges[command.data.order]
          if not charge or charge.status ~= "charged" then return reject("NOT_CHARGED", "nothing to refund") end
          return events.PaymentRefunded { card = command.data.card, order = command.data.order,
                                          cents = charge.cents, payment = command.data.payment }
        end,
      },
      evolve = {
        PaymentRequested = function(state, event)
          state.charges[event.data.order] = { status = "requested", cents = event.data.cents }
          return state
        end,
        PaymentCompleted = function(state, event)
          state.charges[event.data.order] = { status = "charged", cents = event.data.cents }
          state.paid = state.paid + event.data.cents
          return state
        end,
        ChargeCancelled = function(state, event)
          state.charges[event.data.order].status = "cancelled"
          return state
        end,
        PaymentRefunded = function(state, event)
          state.charges[event.data.order].status = "refunded"
          state.paid = state.paid - event.data.cents
          return state
        end,
      },
    }
    """

  private static func sagas(isMended: Bool) -> String {
    """
    saga "checkout" {
      starts_on = "OrderCreated", from = "start",
      retry = { attempts = \(attempts), backoff = "20ms", max = "200ms" },
      -- What is wrapped belongs to the command that asked for it.
      correlate = { OrderCreated = "order", StockReserved = "order", ["Payment*"] = "order" },
      initial = function(event) return table.copy(event.data) end,
      steps = {
        { name = "reserve", succeeds_on = "StockReserved", timeout = "60m",
          send = function(state)
            return commands.ReserveStock { sku = state.sku, order = state.order, n = state.n,
                                           broken = state.broken }
          end,
          compensate = function(state)
            return commands.ReleaseStock { sku = state.sku, order = state.order, jam = state.jam }
          end },
        { parallel = {
          { name = "charge", succeeds_on = "PaymentCompleted", fails_on = "PaymentFailed", timeout = "45m",
            send = function(state)
              \(isMended ? "" : "if state.trip then error(\"tripped\") end")
              return commands.Charge { card = state.card, order = state.order, cents = state.cents,
                                       slow = state.slow }
            end,
            compensate = function(state, result)
              if not result then return commands.CancelCharge { card = state.card, order = state.order } end
              return commands.Refund { card = state.card, order = state.order,
                                       payment = result.data.payment }
            end },
          { name = "wrap", succeeds_on = "GiftWrapped", timeout = "50m",
            send = function(state)
              if state.gift then return commands.WrapGift { sku = "paper", order = state.order } end
            end,
            compensate = function(state)
              return commands.UnwrapGift { sku = "paper", order = state.order }
            end },
        } },
        { name = "ship",
          send = function(state) return commands.ShipParcel { order = state.order, far = state.far } end },
      },
      completed = function(state) return commands.ConfirmOrder { order = state.order, balk = state.balk } end,
      compensated = function(state, why)
        return commands.CancelOrder { order = state.order, reason = why.reason }
      end,
    }
    saga "reminder" {
      starts_on = "OrderCreated", from = "start", clock = "event",
      correlate = function(event) return event.data.order end,
      initial = function(event) return { order = event.data.order, n = 0 } end,
      on = {
        OrderCreated = function(state, event, ctx) ctx.timer("nag", "\(nag.first)m") end,
        PaymentRequested = function(state, event, ctx) ctx.timer("nag", "\(nag.paying)m") end,
        OrderConfirmed = function(state, event, ctx) ctx.complete() end,
        OrderCancelled = function(state, event, ctx) ctx.complete() end,
      },
      timers = {
        nag = function(state, ctx)
          state.n = state.n + 1
          ctx.emit { type = "Nagged", topic = "nags", data = { n = state.n, order = state.order } }
          if state.n < \(nag.most) then ctx.timer("nag", "\(nag.again)m") end
        end,
      },
    }
    """
  }

  private static func herald(isMended: Bool) -> String {
    """
    local function tell(ctx, kind, event, n)
      local what = { of = event.id, n = n }
      if kind == "log" then
        ctx.effect("log", { file = "logs/orders.log", json = what, about = what })
      else
        ctx.effect("http", { url = "http://" .. kind .. "/orders", json = what, about = what })
      end
    end
    consumer "herald" {
      from = "start", topics = { "orders" }, lanes = 2, exhausted = "park",
      retry = { attempts = 3, backoff = "10ms", max = "100ms" },
      on = {
        OrderCreated = function(event, ctx)
          tell(ctx, "mail", event, 0)
          if event.data.gift then tell(ctx, "press", event, 1) end
          \(isMended ? "" : "if event.data.mute then error(\"mute\") end")
        end,
        OrderConfirmed = function(event, ctx) tell(ctx, "mail", event, 0) end,
        OrderCancelled = function(event, ctx) tell(ctx, "log", event, 0) end,
      },
      on_result = function(result, ctx)
        local about = result.data.about
        ctx.emit { type = "Told", topic = "told",
                   data = { key = result.id, n = about.n, of = about.of, ok = result.data.ok } }
      end,
    }
    """
  }

  /// How many effects the herald has for an event.
  static func effects(of record: LogWitness.Seen) -> Int {
    record.type == "OrderCreated" && record.data.contains("\"gift\":true") ? 2 : 1
  }

  /// Loaded once: they never change. By whether they are mended.
  static let catalogs = [false: load(isMended: false), true: load(isMended: true)]

  private static func load(isMended: Bool) -> ProjectCatalog {
    let texts = [
      ("deciders", deciders(isMended: isMended)), ("card", card), ("sagas", sagas(isMended: isMended)),
      ("herald", herald(isMended: isMended)),
    ]
    let catalog = ProjectCatalog.load(
      handlers: texts.map { ScriptSource(path: "handlers/\($0.0).lua", text: Array($0.1.utf8)) },
      modules: [:],
      schemaCheck: { _ in preconditionFailure("there is no read model in this scenario") })
    precondition(!catalog.hasErrors, "the simulated handlers do not load: \(catalog.diagnostics)")
    return catalog
  }
}

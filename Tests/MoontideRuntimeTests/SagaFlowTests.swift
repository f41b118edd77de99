import MoontideCore
import Testing

@testable import MoontideRuntime

private let deciders = """
  decider "stock" {
    topic = "stock", key = "sku",
    decide = {
      Reserve = function(command)
        if command.data.quantity > 3 then return reject("OUT_OF_STOCK", "three at most") end
        return events.Reserved { order = command.data.order }
      end,
      Release = function(command)
        if command.data.order == "o-stuck" then return reject("BROKEN", "the shelf is locked") end
        return events.Released { order = command.data.order }
      end,
    },
    evolve = { Reserved = function(state) return state end },
  }
  decider "money" {
    topic = "money", key = "card",
    decide = {
      Charge = function(command)
        local order = { order = command.data.order, payment = "p-" .. command.data.order }
        if command.data.card == "bad" then return events.ChargeFailed(order) end
        if command.data.card == "slow" then return {} end
        return events.Charged(order)
      end,
      Refund = function(command)
        return events.Refunded { order = command.data.order, payment = command.data.payment }
      end,
      CancelCharge = function(command) return events.ChargeCancelled { order = command.data.order } end,
    },
    evolve = { Charged = function(state) return state end },
  }
  decider "order" {
    topic = "orders", key = "order",
    decide = {
      Confirm = function(command) return events.Confirmed { order = command.data.order } end,
      Cancel = function(command)
        return events.Cancelled { order = command.data.order, reason = command.data.reason }
      end,
    },
    evolve = { Confirmed = function(state) return state end },
  }
  """

private let checkout = """
  saga "checkout" {
    starts_on = "OrderCreated", from = "start", clock = "event",
    correlate = { OrderCreated = "order", ["*"] = function(event) return event.data.order end },
    initial = function(event)
      return { order = event.data.order, card = event.data.card, quantity = event.data.quantity }
    end,
    retry = { attempts = 2, backoff = "1s" },
    steps = {
      { name = "reserve",
        send = function(s)
          return commands.Reserve { sku = "lamp", order = s.order, quantity = s.quantity }
        end,
        succeeds_on = "Reserved", timeout = "15m",
        compensate = function(s) return commands.Release { sku = "lamp", order = s.order } end },
      { name = "charge",
        send = function(s) return commands.Charge { card = s.card, order = s.order } end,
        succeeds_on = "Charged", fails_on = "ChargeFailed", timeout = "1h",
        compensate = function(s, result)
          if not result then return commands.CancelCharge { card = s.card, order = s.order } end
          return commands.Refund { card = s.card, order = s.order, payment = result.data.payment }
        end },
    },
    completed = function(s) return commands.Confirm { order = s.order } end,
    compensated = function(s, why) return commands.Cancel { order = s.order, reason = why.reason } end,
  }
  """

/// Sagas with their deciders, over a real log and a real file.
struct SagaFlowTests {
  private func project(_ saga: String = checkout) throws -> TestProject {
    try TestProject(["handlers/deciders.lua": deciders, "handlers/saga.lua": saga])
  }

  private func order(
    _ project: TestProject, _ id: String, card: String = "v", quantity: Int = 1,
    time: String = "2026-03-01T09:00:00Z"
  ) throws {
    try project.publish(
      "OrderCreated", key: id, data: #"{"order":"\#(id)","card":"\#(card)","quantity":\#(quantity)}"#,
      id: "e-\(id)", time: time)
  }

  @Test func `an order goes through all steps and is confirmed`() throws {
    let project = try project()
    try order(project, "o-1")
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.instance("o-1").status == .completed)
    #expect(try rig.commands == ["Reserve", "Charge", "Confirm"])
    #expect(project.told.codes == [])
    #expect(rig.status.applied == 3)
  }

  @Test func `a rejected command, and an event that says no, undo what was done`() throws {
    let project = try project()
    try order(project, "o-1", quantity: 9)
    try order(project, "o-2", card: "bad")
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.instance("o-1").status == .compensated)
    #expect(try rig.instance("o-2").status == .compensated)
    let cancelled = try rig.records(.command).filter { $0.type == "Cancel" }.map(\.data)
    #expect(
      cancelled.sorted() == [
        #"{"order":"o-1","reason":"reserve: OUT_OF_STOCK"}"#,
        #"{"order":"o-2","reason":"charge: ChargeFailed"}"#,
      ])
    #expect(try rig.commands.filter { $0 == "Release" }.count == 1)
  }

  @Test func `a step that times out by event time is cancelled blindly, and its late success is paid back`()
    throws
  {
    let project = try project()
    try order(project, "o-1", card: "slow")
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.instance("o-1").steps.map(\.phase) == [.succeeded, .waiting])
    // The time of day is far beyond; it says nothing here.
    project.clock.jump(by: .seconds(400 * 86_400))
    try rig.run()
    #expect(try rig.instance("o-1").status == .running)
    try rig.advance(to: "2026-03-01T09:59:59Z")
    try rig.run()
    #expect(try rig.instance("o-1").status == .running)
    try rig.advance(to: "2026-03-01T10:00:00Z")
    try rig.run()
    #expect(try rig.instance("o-1").status == .compensated)
    #expect(try rig.commands.suffix(3) == ["CancelCharge", "Release", "Cancel"])
    try project.publish("Charged", key: "slow", data: #"{"order":"o-1","payment":"p-9"}"#)
    try rig.run()
    #expect(try rig.instance("o-1").status == .compensated)
    let last = try #require(try rig.records(.command).last)
    #expect(last.data == #"{"card":"slow","order":"o-1","payment":"p-9"}"#)
    try project.publish("Charged", key: "slow", data: #"{"order":"o-1","payment":"p-9"}"#)
    try rig.run()
    #expect(try rig.commands.filter { $0 == "Refund" }.count == 1)
  }

  @Test func `timers fire before the event that moved time on, and are in the log once`() throws {
    let project = try project()
    try order(project, "o-1", card: "slow")
    var rig = try SagaRig(project, "checkout")
    try rig.run()
    try order(project, "o-2", time: "2026-03-01T10:00:00Z")
    rig = try SagaRig(project, "checkout")
    try rig.run()
    try rig.run()
    let fired = try rig.records(.timer)
    #expect(fired.map(\.key) == ["o-1"])
    #expect(try rig.instance("o-1").status == .compensated)
    #expect(try rig.instance("o-2").status == .completed)
    let order = try rig.records(.command).map { "\($0.type) \($0.data.contains("o-1") ? 1 : 2)" }
    #expect(order.firstIndex(of: "CancelCharge 1") ?? 99 < order.firstIndex(of: "Reserve 2") ?? 0)
  }

  @Test func `once it has caught up the time of day fires timers, unless the saga follows event time`() throws
  {
    let saga = checkout.changing("clock = \"event\",", to: "")
    let project = try project(saga)
    // The clock of the test stands in October 2025.
    try order(project, "o-1", card: "slow", time: "2025-10-09T08:53:20Z")
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.instance("o-1").status == .running)
    project.clock.jump(by: .seconds(3_000))
    try rig.run()
    #expect(try rig.instance("o-1").status == .running)
    project.clock.jump(by: .seconds(-7_200))
    project.clock.jump(by: .seconds(8_000))
    try rig.run()
    try rig.run()
    #expect(try rig.instance("o-1").status == .compensated)
    #expect(try rig.records(.timer).map(\.key) == ["o-1"])
  }

  @Test func `a compensation that is refused for good is stuck until a person asks, and is never dropped`()
    throws
  {
    let project = try project()
    try order(project, "o-stuck", card: "bad")
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.instance("o-stuck").status == .stuck)
    #expect(try rig.commands.filter { $0 == "Release" }.count == 2)
    try rig.decide(SagaDecision(.retry, key: Array("o-stuck".utf8)))
    try rig.run()
    #expect(try rig.commands.filter { $0 == "Release" }.count == 4)
    #expect(try rig.instance("o-stuck").status == .stuck)
  }

  @Test func `a clock that is set back holds up no other try of a compensation`() throws {
    let project = try project()
    try order(project, "o-stuck", card: "bad")
    let rig = try SagaRig(project, "checkout")
    try rig.run(until: { rig.status.retrying > 0 })
    #expect(try rig.instance("o-stuck").status == .compensating)
    project.clock.jump(by: .seconds(-10 * 365 * 86_400))
    let began = project.clock.monotonic
    try rig.run()
    #expect(project.clock.monotonic - began < .seconds(60), "\(project.clock.monotonic - began)")
    #expect(try rig.instance("o-stuck").status == .stuck)
  }

  @Test func `a person's cancel undoes what was done`() throws {
    let project = try project()
    try order(project, "o-1", card: "slow")
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    try rig.decide(SagaDecision(.cancel, key: Array("o-1".utf8), reason: "asked for"))
    try rig.run()
    #expect(try rig.instance("o-1").status == .compensated)
    #expect(try rig.records(.command).last?.data == #"{"order":"o-1","reason":"asked for"}"#)
  }

  @Test func `a saga that loses its file sends nothing anew, and comes to the same end`() throws {
    let project = try project()
    for index in 0..<20 {
      try order(
        project, "o-\(index)", card: index % 3 == 0 ? "bad" : index % 5 == 0 ? "slow" : "v",
        quantity: index % 7 == 0 ? 9 : 1)
    }
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    try rig.advance(to: "2026-03-01T11:00:00Z")
    try rig.run()
    let before = try rig.records(.command).count
    let ends = try (0..<20).map { try rig.instance("o-\($0)").status }
    #expect(ends.allSatisfy { $0 == .completed || $0 == .compensated })
    let again = try TestProject(
      ["handlers/deciders.lua": deciders, "handlers/saga.lua": checkout], over: project)
    let second = try SagaRig(again, "checkout", batchRecords: 3)
    try second.run()
    #expect(try second.records(.command).count == before, "every command has its id already")
    #expect(try (0..<20).map { try second.instance("o-\($0)").status } == ends)
  }

  @Test func `events of no instance are counted, those of one that ended are noted`() throws {
    let project = try project()
    let morning = "2026-03-01T09:00:00Z"
    try project.publish("Charged", data: #"{"order":"o-9"}"#, time: morning)
    try order(project, "o-1", time: morning)
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.store.ledger().unknown == 1)
    try project.publish("Reserved", data: #"{"order":"o-1"}"#, time: morning)
    try rig.run()
    let instance = try rig.instance("o-1")
    #expect(instance.notes.map(\.kind) == [.late], "\(instance)")
  }

  @Test func `an instance whose script fails is parked by its correlation value, others go on`() throws {
    let failing = checkout.changing(
      "send = function(s) return commands.Charge",
      to: "send = function(s) if s.order == \"o-1\" then error(\"no card\") end return commands.Charge")
    let project = try project(failing)
    try order(project, "o-1")
    try order(project, "o-2")
    var rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.instance("o-2").status == .completed)
    #expect(try rig.instance("o-1").steps.map(\.phase) == [.waiting, .idle])
    #expect(rig.status.dead == 1)
    let letter = try #require(try rig.store.deadLetters().first)
    #expect(letter.key == Array("o-1".utf8))
    project.edit(["handlers/deciders.lua": deciders, "handlers/saga.lua": checkout])
    try project.decide("checkout", Decision(.retry, [letter.position]))
    rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.instance("o-1").status == .completed)
    #expect(rig.status.dead == 0)
  }

  @Test func `a script that lacks a step on which instances stand is refused with their number`() throws {
    let project = try project()
    try order(project, "o-1", card: "slow")
    try order(project, "o-2", card: "slow")
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    let renamed = checkout.changing("name = \"charge\"", to: "name = \"pay\"")
    project.edit(["handlers/deciders.lua": deciders, "handlers/saga.lua": renamed])
    let refused = #expect(throws: Diagnostic.self) { try SagaRig(project, "checkout") }
    #expect(refused?.code == "E0350")
    #expect(refused?.title.contains("2 open instances stand") == true, "\(refused?.title ?? "")")
  }

  @Test func `a free form sets, moves and stops timers, and completes`() throws {
    let project = try project(
      """
      saga "reminder" {
        starts_on = "OfferSent", from = "start", clock = "event",
        correlate = function(event) return event.key end,
        initial = function() return { offers = 0, reminded = 0 } end,
        on = {
          OfferSent = function(state, event, ctx)
            state.offers = state.offers + 1
            ctx.timer("remind", "30d")
          end,
          OfferReturned = function(state, event, ctx) ctx.complete() end,
        },
        timers = { remind = function(state, ctx)
          state.reminded = state.reminded + 1
          ctx.emit(events.ReminderDue { offers = state.offers })
        end },
      }
      """)
    try project.publish("OfferSent", key: "a", time: "2012-01-01T00:00:00Z")
    try project.publish("OfferSent", key: "b", time: "2012-01-02T00:00:00Z")
    try project.publish("OfferSent", key: "a", time: "2012-01-20T00:00:00Z")
    try project.publish("OfferReturned", key: "b", time: "2012-01-30T00:00:00Z")
    try project.publish("OfferSent", key: "c", time: "2012-02-10T00:00:00Z")
    let rig = try SagaRig(project, "reminder")
    try rig.run()
    #expect(try project.events(.events).filter { $0[0] == "ReminderDue" }.isEmpty)
    #expect(try rig.instance("b").status == .completed)
    try rig.advance(to: "2012-02-19T00:00:00Z")
    try rig.run()
    #expect(try project.events(.events).filter { $0[0] == "ReminderDue" }.map { $0[1] } == ["a"])
    #expect(try rig.state("a") == #"{"offers":2,"reminded":1}"#)
    try rig.advance(to: "2012-05-01T00:00:00Z")
    try rig.run()
    #expect(try project.events(.events).filter { $0[0] == "ReminderDue" }.map { $0[1] } == ["a", "c"])
  }

  @Test func `an event without a correlation value finds its instance by what caused it`() throws {
    let saga = checkout.changing(
      "correlate = { OrderCreated = \"order\", [\"*\"]",
      to: "correlate = { OrderCreated = \"order\", [\"X*\"]")
    let project = try project(saga)
    try order(project, "o-1")
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    #expect(try rig.instance("o-1").status == .completed)
  }
}

extension String {
  /// Puts one text in the place of another, which must be there.
  func changing(_ part: String, to other: String) -> String {
    guard let range = firstRange(of: part) else {
      Issue.record("\(part) is not there")
      return self
    }
    return self[..<range.lowerBound] + other + self[range.upperBound...]
  }
}

import MoontideCore
import Testing

@testable import MoontideRuntime

/// Timers and further tries against both clocks. The test's time of day begins at 2025-10-09T08:53:20Z.
struct SagaTimeTests {
  private static let now = "2025-10-09T08:53:20Z"

  private func project(_ saga: String, deciders: String = "") throws -> TestProject {
    try TestProject(["handlers/a.lua": deciders + "\n" + saga])
  }

  private static let wait = """
    saga "wait" {
      starts_on = "Begun", from = "start", correlate = function(event) return event.key end,
      steps = { { name = "answer", succeeds_on = "Answered", timeout = "1h" } },
    }
    """

  @Test func `an announced timer still fires by event time, so that a replay goes the same way`() throws {
    let project = try project(Self.wait)
    try project.publish("Begun", key: "a", time: Self.now)
    let rig = try SagaRig(project, "wait")
    try rig.run()
    project.clock.jump(by: .seconds(3_600))
    // The saga alone: what it announces does not reach the log yet.
    for _ in 0..<3 { _ = rig.worker.step() }
    #expect(
      try rig.store.outbox(from: 0, limit: 10).map { String(decoding: $0.type, as: UTF8.self) } == [
        "TimerFired"
      ])
    try project.publish("Answered", key: "a", time: "2025-10-09T09:53:20Z")
    for _ in 0..<3 { _ = rig.worker.step() }
    try rig.run()
    #expect(try rig.instance("a").status == .compensated)
    #expect(try rig.records(.timer).count == 1)
    let again = try SagaRig(try TestProject(["handlers/a.lua": Self.wait], over: project), "wait")
    try again.run()
    #expect(try again.instance("a").steps == rig.instance("a").steps)
    #expect(try again.instance("a").status == .compensated)
    #expect(try again.records(.timer).count == 1)
  }

  @Test func `who waits for a saga's end waits for timers that the time of day has reached`() throws {
    let project = try project(Self.wait)
    try project.publish("Begun", key: "a", time: Self.now)
    var rig = try SagaRig(project, "wait")
    try rig.run()
    #expect(rig.status.retrying == 0)
    project.clock.jump(by: .seconds(3_600))
    rig = try SagaRig(project, "wait")
    #expect(rig.status.retrying == 1, "shown before its first step")
    try rig.run()
    #expect(try rig.instance("a").status == .compensated)
    #expect(rig.status.retrying == 0)
  }

  private static let refunds = """
    decider "money" {
      topic = "money", key = "order",
      decide = { Refund = function(command)
        if command.data.try < 3 then return reject("BUSY") end
        return {}
      end },
      evolve = { Refunded = function(state) return state end },
    }
    saga "refunds" {
      starts_on = "Begun", from = "start", correlate = function(event) return event.key end,
      initial = function(event) return { order = event.key, try = 0 } end,
      retry = { attempts = 5, backoff = "10s" },
      steps = {
        { name = "charge", succeeds_on = "Charged",
          compensate = function(s)
            s.try = s.try + 1
            s.at = os.time()
            return commands.Refund { order = s.order, try = s.try }
          end },
        { name = "ship", succeeds_on = "Shipped", fails_on = "Lost" },
      },
    }
    """

  private func refund(_ project: TestProject) throws {
    for type in ["Begun", "Charged", "Lost"] { try project.publish(type, key: "o-1", time: Self.now) }
  }

  @Test func `a clock that was wrong and is set right does not hold further tries up`() throws {
    for isRestarted in [false, true] {
      let project = try project(Self.refunds)
      let years = Duration.seconds(10 * 365 * 86_400)
      try refund(project)
      project.clock.jump(by: years)
      var rig = try SagaRig(project, "refunds")
      try rig.run { project.log.durableEnd.value > 0 && self.isTriedAgain(rig) }
      #expect(try rig.instance("o-1").timers.map(\.clock) == [.wall])
      project.clock.jump(by: .zero - years)
      if isRestarted { rig = try SagaRig(project, "refunds") }
      let before = project.clock.monotonic
      try rig.run()
      #expect(try rig.instance("o-1").status == .compensated)
      #expect(try rig.commands == ["Refund", "Refund", "Refund"])
      #expect(project.clock.monotonic - before < .seconds(60))
    }
  }

  private func isTriedAgain(_ rig: SagaRig) -> Bool {
    do { return try rig.store.saga(Array("o-1".utf8)).map { !$0.timers.isEmpty } ?? false } catch {
      return true
    }
  }

  @Test func `a saga that begins anew makes the same of further tries, and nothing that is in conflict`()
    throws
  {
    let project = try project(Self.refunds)
    try refund(project)
    let rig = try SagaRig(project, "refunds")
    try rig.run()
    let end = project.log.durableEnd
    let over = try TestProject(["handlers/a.lua": Self.refunds], over: project)
    over.clock.jump(by: .seconds(12_345))
    let again = try SagaRig(over, "refunds")
    try again.run()
    #expect(over.told.codes == [])
    #expect(again.status.dead == 0)
    #expect(try again.store.deadLetters() == [])
    #expect(project.log.durableEnd == end)
    #expect(try again.state("o-1") == rig.state("o-1"))
    #expect(try again.instance("o-1").status == .compensated)
  }

  @Test func `a delay of nothing is refused, and a timer that never catches up is parked`() throws {
    let steps = "steps = { { name = \"a\", succeeds_on = \"Done\", timeout = \"0ms\" } }"
    let refused = try project(
      """
      saga "x" { starts_on = "Begun", from = "start", correlate = function(e) return e.key end, \(steps) }
      """)
    #expect(refused.catalog.diagnostics.contains { $0.title.contains("longer than 0") })
    let script = """
      saga "tick" {
        starts_on = "Begun", from = "start", clock = "event", retry = { attempts = 2, backoff = "1s" },
        correlate = function(event) return event.key end,
        on = { Begun = function(state, event, ctx) ctx.timer("tick", "DELAY") end },
        timers = { tick = function(state, ctx) ctx.timer("tick", "DELAY") end },
      }
      """
    let none = try project(script.changing("DELAY", to: "0ms").changing("DELAY", to: "1s"))
    try none.publish("Begun", key: "a", time: Self.now)
    var rig = try SagaRig(none, "tick")
    try rig.run()
    #expect(try rig.store.deadLetters().first?.message.contains("not \"0ms\"") == true)
    let short = try project(script.changing("DELAY", to: "1s").changing("DELAY", to: "1s"))
    try short.publish("Begun", key: "a", time: Self.now)
    try short.publish("Begun", key: "b", time: "2025-10-10T08:53:20Z")
    rig = try SagaRig(short, "tick")
    try rig.run()
    let letters = try rig.store.deadLetters()
    #expect(letters.count == 1 && letters[0].message.contains("in a row"), "\(letters)")
    #expect(try rig.records(.timer).count == Limits.sagaFiringsInRowMax + 1)
    #expect(try rig.instance("b").status == .running, "others go on")
  }

  @Test func `a timer that another one has stopped fires no more`() throws {
    let project = try project(
      """
      saga "both" {
        starts_on = "Begun", from = "start", clock = "event",
        correlate = function(event) return event.key end,
        steps = { { parallel = {
          { name = "a", succeeds_on = "ADone", timeout = "15m" },
          { name = "b", succeeds_on = "BDone", timeout = "30m" },
        } } },
      }
      """)
    try project.publish("Begun", key: "a", time: Self.now)
    let rig = try SagaRig(project, "both")
    try rig.run()
    try rig.advance(to: "2025-10-09T10:00:00Z")
    try rig.run()
    #expect(try rig.records(.timer).filter { $0.key == "a" }.map(\.type) == ["TimerFired"])
    #expect(try rig.instance("a").steps.map(\.phase) == [.timedOut, .abandoned])
  }

  @Test func `an edit that takes the function of a timer away is refused while the timer is set`() throws {
    let script = """
      saga "tick" {
        starts_on = "Begun", from = "start", clock = "event", retry = { attempts = 1 },
        correlate = function(event) return event.key end,
        on = { Begun = function(state, event, ctx) ctx.timer("tick", "1h") end },
        timers = { tick = function(state, ctx) end, tock = function(state, ctx) end },
      }
      """
    let project = try project(script)
    try project.publish("Begun", key: "a", time: Self.now)
    try SagaRig(project, "tick").run()
    let edited = script.changing("tick = function(state, ctx) end, ", to: "")
    project.edit(["handlers/a.lua": edited.changing("\"tick\", \"1h\"", to: "\"tock\", \"1h\"")])
    let refused = #expect(throws: Diagnostic.self) { try SagaRig(project, "tick") }
    #expect(refused?.code == "E0350")
  }

  @Test func `a saga that begins in the middle knows how far event time was moved on`() throws {
    let project = try project(Self.wait.changing("from = \"start\"", to: "from = \"now\", clock = \"event\""))
    try project.publish("Other", key: "a", time: Self.now)
    let batch = DraftBatch()
    let until = try #require(EventTime("2026-05-01T00:00:00Z"))
    TimerRecord.advance(to: until, topic: try project.log.topic(.timers, partitions: 1).id, into: batch)
    _ = try project.log.append(AppendRequest(batch: batch))
    try project.log.flush()
    let rig = try SagaRig(project, "wait")
    try rig.run()
    #expect(try rig.store.ledger().eventTime == until.microseconds)
  }
}

import MoontideCore
import Testing

@testable import MoontideRuntime

/// Somebody sets the clock while keys wait for their next try.
struct ClockTests {
  private static let script = """
    consumer "receipts" {
      retry = { attempts = 4, backoff = "1s", max = "20s" },
      on = { OrderPlaced = function(event, ctx)
        if event.data.bad then error("no receipt") end
        ctx.state.seen = (ctx.state.seen or 0) + 1
        ctx.emit(events.ReceiptSent({ nth = ctx.state.seen }, { topic = "receipts" }))
      end },
    }
    """
  private static let years = Duration.seconds(10 * 365 * 86_400)

  private struct Course: Equatable {
    var emitted: [[String]]
    var dead: [UInt64]
    var attempts: [String]
    var took: Duration
  }

  /// - Parameter jump: how the clock is set after each step.
  private func course(jump: Duration, restarts: Bool) throws -> Course {
    let project = try TestProject(["handlers/r.lua": Self.script])
    for number in 0..<12 {
      try project.publish("OrderPlaced", key: "k\(number % 4)", data: number == 1 ? #"{"bad":true}"# : "{}")
    }
    let began = project.clock.monotonic
    var rig = try HandlerRig(project, "receipts")
    for step in 0..<200 {
      if rig.workers[0].step() != .progressed, rig.status.retrying == 0, rig.status.position >= Position(12) {
        break
      }
      if restarts, step % 3 == 2 { rig = try HandlerRig(project, "receipts") }
      project.clock.jump(by: step.isMultiple(of: 2) ? jump : .zero)
      project.clock.sleep(for: .milliseconds(250))
    }
    let took = project.clock.monotonic - began
    try rig.run()
    let states = project.told.reports.withLock { $0 }.map { report in
      String(report.details.first { $0.label == "state" }?.text.prefix(14) ?? "")
    }
    return Course(
      emitted: try project.events(TopicName("receipts")!),
      dead: try rig.stores[0].ledger().parked.map(\.position.value), attempts: states, took: took)
  }

  @Test(arguments: [years, .seconds(-3_600), .zero - years])
  func `a clock that is set again and again changes no try, no wait, no id`(jump: Duration) throws {
    let calm = try course(jump: .zero, restarts: false)
    #expect(calm.emitted.count == 9 && calm.dead == [1])
    #expect(try course(jump: jump, restarts: false) == calm)
  }

  @Test(arguments: [years, .seconds(-3_600), .zero - years])
  func `after a restart nobody waits longer than the policy says, whatever the clock shows`(jump: Duration)
    throws
  {
    var calm = try course(jump: .zero, restarts: true)
    var jumped = try course(jump: jump, restarts: true)
    // One wait a restart may be cut short or be the longest one of 20 s.
    #expect(jumped.took <= .seconds(3 * 21), "\(jumped.took)")
    calm.took = .zero
    jumped.took = .zero
    #expect(jumped == calm)
  }
}

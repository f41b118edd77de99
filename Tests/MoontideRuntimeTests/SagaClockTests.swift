import Foundation
import MoontideCore
import Testing

@testable import MoontideRuntime

/// Clocks that jump by +10 years and −1 hour with restarts in between, and a saga that dies between any two
/// calls of log and store: each timer fires once.
struct SagaClockTests {
  private static func script(_ clock: String) -> [String: String] {
    [
      "handlers/a.lua": """
      decider "money" {
        topic = "money", key = "order",
        decide = { Refund = function(command)
          if command.data.try < 3 then return reject("BUSY") end
          return {}
        end },
        evolve = { Refunded = function(state) return state end },
      }
      saga "due" {
        starts_on = "Opened", from = "start", \(clock) retry = { attempts = 5, backoff = "5s" },
        correlate = function(event) return event.key end,
        initial = function(event) return { order = event.key, try = 0, fired = "" } end,
        steps = {
          { name = "charge", succeeds_on = "Charged",
            compensate = function(s)
              s.try = s.try + 1
              return commands.Refund { order = s.order, try = s.try }
            end },
          { name = "ship", succeeds_on = "Shipped", timeout = "2h" },
        },
        on = { Opened = function(state, event, ctx)
          ctx.timer("soon", "15m")
          ctx.timer("later", "1h")
        end },
        timers = {
          soon = function(state, ctx)
            state.fired = state.fired .. " soon"
            ctx.emit(events.Fired { name = "soon" })
          end,
          later = function(state, ctx)
            state.fired = state.fired .. " later"
            ctx.emit(events.Fired { name = "later" })
          end,
        },
      }
      """
    ]
  }

  private static let years = Duration.seconds(10 * 365 * 86_400)

  /// One thing after the other that happens outside of the saga; after each it runs until it rests, and every
  /// other time in a new process.
  private static let world: [@Sendable (TestProject) throws -> Void] = [
    { try $0.publish("Opened", key: "a", id: "e-1", time: "2025-10-09T08:53:20Z") },
    { try $0.publish("Charged", key: "a", id: "e-2", time: "2025-10-09T08:53:20Z") },
    { $0.clock.jump(by: .seconds(1_000)) },
    { $0.clock.jump(by: .seconds(-3_600)) },
    { try $0.publish("Opened", key: "b", id: "e-3", time: "2025-10-09T08:54:00Z") },
    { $0.clock.jump(by: years) },
    { try $0.publish("Opened", key: "c", id: "e-4", time: "2025-10-09T10:30:00Z") },
    { try $0.publish("Charged", key: "c", id: "e-5", time: "2025-10-09T10:30:00Z") },
    { $0.clock.jump(by: .seconds(-3_600)) },
    { try $0.publish("Other", key: "x", id: "e-6", time: "2025-10-09T11:00:00Z") },
    { $0.clock.jump(by: .zero - years) },
    { try $0.publish("Other", key: "x", id: "e-7", time: "2025-10-09T14:00:00Z") },
    { $0.clock.jump(by: years) },
  ]

  /// Lives through the world; a process that dies at the crash point is followed by another.
  private func live(_ project: TestProject, _ point: CrashPoint) throws -> SagaRig {
    var rig: SagaRig?
    for (index, happen) in Self.world.enumerated() {
      try happen(project)
      if index % 2 == 0 { rig = nil }
      for _ in 0..<2 {
        let isMortal = !point.isDead
        do {
          if rig == nil {
            rig =
              isMortal
              ? try SagaRig(project, "due", log: MortalLog(project.log, point)) { MortalSagaStore($0, point) }
              : try SagaRig(project, "due")
          }
        } catch {
          #expect(point.isDead, "it does not open: \(error)")
        }
        try rig?.run { isMortal && point.isDead }
        if isMortal, point.isDead { rig = nil } else { break }
      }
    }
    return try #require(rig)
  }

  /// What each instance came to, and every firing in the log with how often it is there.
  private func outcome(_ rig: SagaRig) throws -> [String] {
    var found: [String] = []
    for key in ["a", "b", "c"] {
      let instance = try rig.instance(key)
      found.append("\(key) \(instance.status) \(instance.steps.map { "\($0.phase)" }) \(try rig.state(key))")
      #expect(instance.timers == [])
    }
    found += try rig.records(.command).map { "\($0.type) \($0.data)" }.sorted()
    return found
  }

  private func check(_ rig: SagaRig, _ when: String) throws {
    let firings = try rig.records(.timer).map { "\($0.key) \($0.data)" }
    // Up to the ordinal: what it says behind that must not hide that it is the same.
    let names = firings.map {
      String($0.prefix(upTo: $0.firstRange(of: ",\"purpose\"")?.lowerBound ?? $0.endIndex))
    }
    #expect(Set(names).count == names.count, "a timer fired twice, \(when): \(firings)")
    for key in ["a", "b", "c"] {
      for name in ["soon", "later"] {
        let fired = firings.filter { $0.hasPrefix("\(key) ") && $0.contains("\"name \(name)\"") }.count
        let told = try rig.project.events(.events).filter {
          $0[0] == "Fired" && $0[1] == key && $0[3].contains(name)
        }.count
        #expect(fired == 1 && told == 1, "\(name) of \(key) fired \(fired) times, told \(told), \(when)")
      }
    }
  }

  @Test(arguments: ["", "clock = \"event\","])
  func `a clock that jumps, and a process that dies anywhere, fire each timer once`(clock: String) throws {
    let scripts = Self.script(clock)
    let calm = CrashPoint(at: .max)
    let project = try TestProject(scripts)
    let rig = try live(project, calm)
    try check(rig, "calmly")
    let wanted = try outcome(rig)
    #expect(wanted[0].hasPrefix("a compensated"), "\(wanted)")
    #expect(wanted.filter { $0.hasPrefix("Refund") }.count == 6, "\(wanted)")
    // All of them, where there is time.
    let points = ProcessInfo.processInfo.environment["MOONTIDE_CLOCK_CRASHES"].flatMap { Int($0) } ?? 10
    let stride = max(1, calm.seen / points)
    let seed = UInt64.random(in: 0..<UInt64(stride))
    print("saga clock: every \(stride)th of \(calm.seen) calls from \(seed) on")
    for crash in Swift.stride(from: Int(seed), to: calm.seen, by: stride) {
      let project = try TestProject(scripts)
      let point = CrashPoint(at: crash)
      let rig = try live(project, point)
      try check(rig, "after a crash at call \(crash)")
      #expect(try outcome(rig) == wanted, "after a crash at call \(crash)")
      let end = project.log.durableEnd
      let over = try TestProject(scripts, over: project)
      over.clock.jump(by: Self.years)
      let again = try SagaRig(over, "due")
      try again.run()
      #expect(try outcome(again) == wanted, "folded anew, after a crash at call \(crash)")
      #expect(project.log.durableEnd == end, "folded anew it says nothing")
      #expect(again.status.dead == 0 && over.told.codes == [])
    }
  }
}

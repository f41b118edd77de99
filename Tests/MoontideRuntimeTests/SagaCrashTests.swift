import MoontideCore
import Testing

@testable import MoontideRuntime

/// A saga that dies between any two calls of log and store, and goes on in another process.
struct SagaCrashTests {
  private static let scripts = [
    "handlers/a.lua": """
    decider "stock" {
      topic = "stock", key = "order",
      decide = {
        Reserve = function(command) return events.Reserved { order = command.data.order } end,
        Release = function(command) return events.Released { order = command.data.order } end,
        Charge = function(command)
          if command.data.order == "o-2" then return reject("NO_MONEY") end
          if command.data.order == "o-3" then return {} end
          return events.Charged { order = command.data.order }
        end,
        CancelCharge = function(command, state)
          if state.refused then return {} end
          return reject("LATER")
        end,
        Confirm = function() return {} end,
        Cancel = function() return {} end,
      },
      evolve = { Reserved = function(state) return state end },
    }
    saga "checkout" {
      starts_on = "OrderCreated", from = "start", clock = "event", retry = { attempts = 2, backoff = "1s" },
      correlate = function(event) return event.data.order end,
      initial = function(event) return { order = event.data.order } end,
      steps = {
        { name = "reserve", send = function(s) return commands.Reserve(s) end, succeeds_on = "Reserved",
          compensate = function(s) return commands.Release(s) end },
        { name = "charge", send = function(s) return commands.Charge(s) end, succeeds_on = "Charged",
          timeout = "1h", compensate = function(s) return commands.CancelCharge(s) end },
      },
      completed = function(s) return commands.Confirm(s) end,
      compensated = function(s) return commands.Cancel(s) end,
    }
    """
  ]

  private func makeProject() throws -> TestProject {
    let project = try TestProject(Self.scripts)
    for order in ["o-1", "o-2", "o-3"] {
      try project.publish(
        "OrderCreated", key: order, data: #"{"order":"\#(order)"}"#, id: order,
        time: "2026-03-01T09:00:00Z")
    }
    return project
  }

  /// What must not depend on crashes.
  private func outcome(_ rig: SagaRig) throws -> [String] {
    var found: [String] = []
    for order in ["o-1", "o-2", "o-3"] {
      let instance = try rig.instance(order)
      found.append("\(order) \(instance.status) \(instance.steps.map { "\($0.phase)" })")
    }
    found += try rig.records(.command).map { "\($0.type) \($0.data)" }.sorted()
    found += try rig.records(.timer).map { "\($0.type) \($0.key)" }.sorted()
    let ledger = try rig.store.ledger()
    found.append("\(ledger.applied) applied, \(ledger.skipped) skipped, \(ledger.unknown) unknown")
    found.append("outbox \(try rig.store.outbox(from: 0, limit: 100).count)")
    return found
  }

  /// The first life, until it ends at the crash point.
  private func live(_ project: TestProject, _ point: CrashPoint) throws {
    let rig: SagaRig
    do {
      rig = try SagaRig(project, "checkout", log: MortalLog(project.log, point)) {
        MortalSagaStore($0, point)
      }
    } catch {
      #expect(point.isDead, "it does not open: \(error)")
      return
    }
    try rig.run { point.isDead }
    if point.isDead { return }
    try rig.advance(to: "2026-03-01T10:30:00Z")
    try rig.run { point.isDead }
  }

  /// The second life, to its end.
  private func finish(_ project: TestProject) throws -> [String] {
    let rig = try SagaRig(project, "checkout")
    try rig.run()
    if try rig.records(.timer).allSatisfy({ $0.key != "_time" }) {
      try rig.advance(to: "2026-03-01T10:30:00Z")
    }
    try rig.run()
    return try outcome(rig)
  }

  @Test func `a crash between any two calls sends nothing twice, fires nothing twice and forgets nothing`()
    throws
  {
    let calm = CrashPoint(at: .max)
    let project = try makeProject()
    let rig = try SagaRig(project, "checkout", log: MortalLog(project.log, calm)) {
      MortalSagaStore($0, calm)
    }
    try rig.run()
    try rig.advance(to: "2026-03-01T10:30:00Z")
    try rig.run()
    let wanted = try outcome(rig)
    #expect(wanted[0] == "o-1 completed [\"succeeded\", \"succeeded\"]")
    #expect(wanted[1] == "o-2 compensated [\"compensated\", \"failed\"]")
    #expect(wanted[2] == "o-3 stuck [\"succeeded\", \"stuck\"]")
    #expect(calm.seen > 100, "\(calm.seen) calls")
    for crash in 0..<calm.seen {
      let project = try makeProject()
      let point = CrashPoint(at: crash)
      try live(project, point)
      #expect(try finish(project) == wanted, "after a crash at call \(crash)")
    }
  }
}

/// A saga's store that dies at a crash point.
final class MortalSagaStore: SagaStore {
  private let store: any SagaStore
  private let mortal: MortalStore

  init(_ store: any SagaStore, _ point: CrashPoint) {
    self.store = store
    mortal = MortalStore(store, point)
  }

  var tables: [StoreTable] { [] }
  func ledger() throws(StoreError) -> HandlerLedger { try store.ledger() }
  func deadCode(_ position: Position) throws(StoreError) -> String? { try store.deadCode(position) }
  func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] {
    try mortal.outbox(from: sequence, limit: limit)
  }
  func begin(folding: Bool) throws(StoreError) -> any EffectTransaction { try mortal.begin(folding: folding) }
  func saga(_ key: [UInt8]) throws(StoreError) -> SagaRow? { try store.saga(key) }
  func sagaKey(ofCommand id: [UInt8]) throws(StoreError) -> [UInt8]? { try store.sagaKey(ofCommand: id) }
  func sagaKeys(traced trace: [UInt8], limit: Int) throws(StoreError) -> [[UInt8]] {
    try store.sagaKeys(traced: trace, limit: limit)
  }
  func timers(
    _ clock: SagaTimerRow.Clock, through microseconds: Int64, limit: Int
  ) throws(StoreError) -> [SagaTimerRow] {
    try store.timers(clock, through: microseconds, limit: limit)
  }
  func timers(after last: SagaTimerRow?, limit: Int) throws(StoreError) -> [SagaTimerRow] {
    try store.timers(after: last, limit: limit)
  }
  func nextTimer(_ clock: SagaTimerRow.Clock) throws(StoreError) -> Int64? { try store.nextTimer(clock) }
  func openSagas(except version: String, after last: SagaRow?, limit: Int) throws(StoreError) -> [SagaRow] {
    try store.openSagas(except: version, after: last, limit: limit)
  }
  func sources(ofVersion version: String) throws(StoreError) -> [SagaSource] {
    try store.sources(ofVersion: version)
  }
}

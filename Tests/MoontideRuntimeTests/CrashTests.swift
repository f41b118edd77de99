import MoontideCore
import Testing

@testable import MoontideRuntime

private let script = """
  consumer "receipts" {
    on = { OrderPlaced = function(event, ctx)
      if event.data.bad then error("no receipt") end
      ctx.state.seen = (ctx.state.seen or 0) + 1
      ctx.emit(events.ReceiptSent({ order = event.key, nth = ctx.state.seen }, { topic = "receipts" }))
      if event.data.two then ctx.emit { type = "Copy", data = {}, topic = "receipts" } end
    end },
    retry = { attempts = 2, backoff = "1s" }, exhausted = "skip",
  }
  projection "seen" {
    schema = "create table t(k text primary key, n integer)",
    on = { ["*"] = function(event, db)
      if event.data.bad then error("no row") end
      db.t:add(event.key, { n = 1 })
    end },
  }
  """

struct CrashTests {
  /// The outcome that must not depend on crashes: what is emitted per key in order, and the ledger.
  private struct Outcome: Equatable {
    var emitted: [String: [String]]
    var applied: UInt64
    var deadLetters: Int
    var parked: Int
    var outbox: Int
    var checkpoints: Set<Position>
  }

  private func makeProject() throws -> TestProject {
    let project = try TestProject(["handlers/a.lua": script])
    try project.publish("OrderPlaced", key: "a")
    try project.publish("OrderPlaced", key: "b", data: #"{"bad":true}"#)
    try project.publish("OrderPlaced", key: "b", data: #"{"two":1}"#)
    try project.publish("OrderPlaced", key: "a", data: #"{"two":1}"#)
    try project.publish("OrderPlaced", key: "b")
    return project
  }

  private func outcome(_ project: TestProject, _ rig: HandlerRig) throws -> Outcome {
    var emitted: [String: [String]] = [:]
    if rig.relay != nil {
      for event in try project.events(TopicName("receipts")!) {
        emitted[event[1], default: []].append("\(event[0]) \(event[2]) \(event[3])")
      }
    } else {
      emitted["rows"] = try rig.rows("select k, n from t order by k")
    }
    let ledger = try rig.stores[0].ledger()
    return Outcome(
      emitted: emitted, applied: ledger.applied, deadLetters: ledger.deadLetters, parked: ledger.parked.count,
      outbox: try rig.stores[0].outbox(from: 0, limit: 10).count, checkpoints: Set(ledger.checkpoints.values))
  }

  @Test(arguments: ["receipts", "seen"])
  func `a crash between any two calls loses nothing and doubles nothing`(name: String) throws {
    let project = try makeProject()
    let calm = CrashPoint(at: .max)
    let rig = try HandlerRig(project, name, log: MortalLog(project.log, calm)) { MortalStore($0, calm) }
    try rig.run()
    let wanted = try outcome(project, rig)
    #expect(wanted.applied == 4 && wanted.deadLetters == 1 && wanted.parked == 0 && wanted.outbox == 0)
    #expect(calm.seen > 20)
    for crash in 0..<calm.seen {
      let project = try makeProject()
      try crashOnce(project, name, at: crash)
      let rig = try HandlerRig(project, name)
      try rig.run()
      #expect(try outcome(project, rig) == wanted, "after a crash at call \(crash)")
    }
  }

  private func crashOnce(_ project: TestProject, _ name: String, at call: Int) throws {
    let point = CrashPoint(at: call)
    let rig = try HandlerRig(project, name, log: MortalLog(project.log, point)) { MortalStore($0, point) }
    for _ in 0..<10_000 where !point.isDead {
      var isIdle = true
      for worker in rig.workers as [any Worker] + (rig.relay.map { [$0] } ?? []) where !point.isDead {
        if case .progressed = worker.step() { isIdle = false }
      }
      if isIdle { project.clock.sleep(for: .milliseconds(500)) }
      if isIdle, rig.status.retrying == 0, rig.status.position == project.log.durableEnd {
        rig.workers[0].settle()
      }
    }
    #expect(point.isDead, "the run ended before call \(call)")
  }

  @Test func `a full disk is waited for and the work goes on`() throws {
    let project = try makeProject()
    let definition = try project.definition("seen")
    let store = FillingStore(try project.projectionStore("seen"))
    let worker = try HandlerWorker(
      definition, catalog: project.catalog, log: project.log, store: store,
      surroundings: project.surroundings,
      board: StatusBoard(definition, lane: 0))
    store.isFullInside = true
    #expect(worker.step() == .idle(for: Limits.fullDiskPause))
    #expect(worker.board.status.waiting?.code == "E0314" && worker.board.status.applied == 0)
    store.isFullInside = false
    store.isFull = true
    #expect(worker.step() == .idle(for: Limits.fullDiskPause))
    #expect(worker.step() == .idle(for: Limits.fullDiskPause))
    #expect(worker.board.status.waiting?.code == "E0314" && worker.board.status.applied == 0)
    #expect(project.told.codes == ["E0314"])
    store.isFull = false
    #expect(worker.step() == .progressed)
    #expect(worker.board.status.waiting == nil && worker.board.status.applied == 4)
  }

  @Test func `keys keep their order through failures, tries, restarts and crashes`() throws {
    let seed = UInt64.random(in: 0..<1 << 32)
    print("order test: seed \(seed)")
    let random = SeededRandomness(seed)
    for round in 0..<6 {
      let project = try TestProject([
        "handlers/c.lua": """
        consumer "c" { lanes = 2, retry = { attempts = 20, backoff = "100ms" }, on = { A = function(event, ctx)
          ctx.state.n = (ctx.state.n or 0) + 1
          ctx.emit { type = "B", data = { i = event.data.i, n = ctx.state.n }, topic = "out" }
          if event.data.fails then db_is_not_here() end
        end } }
        """
      ])
      var expected: [String: [Int]] = [:]
      for index in 0..<40 {
        let key = "k\(random.below(5))"
        let fails = random.below(8) == 0
        try project.publish("A", key: key, data: #"{"i":\#(index)\#(fails ? #","fails":true"# : "")}"#)
        expected[key, default: []].append(fails ? -1 - index : index)
      }
      // Some steps with a crash, then the failing events are mended by a script that no longer minds.
      for _ in 0..<3 {
        let point = CrashPoint(at: random.below(300))
        let rig = try HandlerRig(project, "c", log: MortalLog(project.log, point)) { MortalStore($0, point) }
        for _ in 0..<60 where !point.isDead {
          for worker in rig.workers as [any Worker] + [rig.relay!] where !point.isDead {
            if case .idle(let pause) = worker.step() {
              project.clock.sleep(for: min(pause, .milliseconds(50)))
            }
          }
        }
      }
      project.edit([
        "handlers/c.lua": """
        consumer "c" { lanes = 2, retry = { attempts = 40, backoff = "100ms" }, on = { A = function(event, ctx)
          ctx.state.n = (ctx.state.n or 0) + 1
          ctx.emit { type = "B", data = { i = event.data.i, n = ctx.state.n }, topic = "out" }
        end } }
        """
      ])
      let rig = try HandlerRig(project, "c")
      try rig.run()
      var found: [String: [String]] = [:]
      for event in try project.events(TopicName("out")!) { found[event[1], default: []].append(event[3]) }
      for (key, indexes) in expected
      where try rig.stores[0].ledger().parked.allSatisfy({ $0.status != .dead }) {
        let wanted = indexes.map { $0 < 0 ? -1 - $0 : $0 }.enumerated().map {
          #"{"i":\#($1),"n":\#($0 + 1)}"#
        }
        #expect(found[key] == wanted, "key \(key), round \(round), seed \(seed)")
      }
      let ledger = try rig.stores[0].ledger()
      let held = ledger.parked.reduce(0) { $0 + $1.held.count }
      #expect(Int(ledger.applied) + held + ledger.deadLetters == 40, "seed \(seed)")
    }
  }
}

/// A store without room, when told so.
private final class FillingStore: EffectStore {
  private let store: any EffectStore
  var isFull = false
  /// Room to begin, none for a row.
  var isFullInside = false

  init(_ store: any EffectStore) { self.store = store }

  var tables: [StoreTable] { store.tables }
  func ledger() throws(StoreError) -> HandlerLedger { try store.ledger() }
  func deadCode(_ position: Position) throws(StoreError) -> String? { try store.deadCode(position) }
  func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] { [] }
  func begin(folding: Bool) throws(StoreError) -> any EffectTransaction {
    if isFull { throw .full(path: "seen.sqlite") }
    let transaction = try store.begin(folding: folding)
    return isFullInside ? FullTransaction(transaction) : transaction
  }
}

/// A transaction in which no row finds room.
private final class FullTransaction: EffectTransaction {
  private let transaction: any EffectTransaction

  init(_ transaction: any EffectTransaction) { self.transaction = transaction }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool {
    throw .full(path: "seen.sqlite")
  }
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String] {
    throw .full(path: "seen.sqlite")
  }
  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? { nil }
  func write(_ entry: EffectEntry) throws(StoreError) { try transaction.write(entry) }
  func savepoint() throws(StoreError) { try transaction.savepoint() }
  func rollbackToSavepoint() throws(StoreError) { try transaction.rollbackToSavepoint() }
  func commit() throws(StoreError) { try transaction.commit() }
  func rollback() throws(StoreError) { try transaction.rollback() }
}

import MoontideCore
import Testing

@testable import MoontideRuntime

private func script(mended: Bool) -> [String: String] {
  let fault = mended ? "" : "if event.data.bad then error(\"no\") end"
  return [
    "handlers/c.lua": """
    consumer "c" { retry = { attempts = 1 }, on = { A = function(event, ctx)
      \(fault)
      if event.data.worse then error("never") end
      ctx.state.n = (ctx.state.n or 0) + 1
      ctx.emit { type = "B", topic = "out", data = { i = event.data.i, n = ctx.state.n } }
    end } }
    """
  ]
}

/// How a redrive goes through what is held.
struct RedriveTests {
  /// The keys `hot`, of which the second of 600 events is bad and the 300th worse, and `k0` to `k99`, of
  /// whose three events the first is bad.
  private func stuck() throws -> TestProject {
    let project = try TestProject(script(mended: false))
    for index in 0..<900 {
      let isHot = index % 3 != 0
      let number = isHot ? index - index / 3 - 1 : index / 3
      let key = isHot ? "hot" : "k\(number % 100)"
      let isBad = isHot ? number == 1 : number < 100
      let more = isBad ? #","bad":1"# : isHot && number == 299 ? #","worse":1"# : ""
      try project.enqueue("A", key: key, data: #"{"i":\#(number)\#(more)}"#)
    }
    try project.log.flush()
    try HandlerRig(project, "c").run()
    return project
  }

  private func emitted(_ project: TestProject) throws -> [String: [String]] {
    var found: [String: [String]] = [:]
    let topic = try #require(TopicName("out"))
    for event in try project.events(topic) { found[event[1], default: []].append(event[3]) }
    return found
  }

  private func numbered(_ indexes: [Int]) -> [String] {
    indexes.enumerated().map { #"{"i":\#($1),"n":\#($0 + 1)}"# }
  }

  @Test func `what is held goes on in a few transactions, in order, up to what fails again`() throws {
    let project = try stuck()
    project.edit(script(mended: true))
    let letters = try HandlerRig(project, "c").stores[0].ledger().deadCodes.keys.sorted()
    #expect(letters.count == 101)
    try project.decide("c", Decision(.retry, letters))
    let counter = CommitCounter()
    let rig = try HandlerRig(project, "c") { CountingStore($0, counter) }
    try rig.run()
    // The decision, the tries, and what the relay and the end write down.
    #expect(
      counter.applying == 1 && counter.commits < 16, "\(counter.applying) of \(counter.commits) commits")
    let outputs = try emitted(project)
    #expect(outputs["hot"] == numbered(Array(0..<299)))
    #expect((0..<100).allSatisfy { outputs["k\($0)"] == numbered([$0, $0 + 100, $0 + 200]) })
    let ledger = try rig.stores[0].ledger()
    #expect(ledger.deadCodes.count == 1 && ledger.parked.map(\.held.count) == [300])
    #expect(ledger.applied == 599 && rig.status.held == 300)
    let fresh = try HandlerRig(project, "c")
    #expect(fresh.status.held == 300 && fresh.status.dead == 1, "the file says the same")
  }

  @Test func `a disk that fills up in a redrive loses none of it`() throws {
    let project = try stuck()
    project.edit(script(mended: true))
    let letters = try HandlerRig(project, "c").stores[0].ledger().deadCodes.keys.sorted()
    try project.decide("c", Decision(.retry, letters))
    let counter = CommitCounter()
    counter.refuses = true
    let rig = try HandlerRig(project, "c") { CountingStore($0, counter) }
    for _ in 0..<4 { _ = rig.workers[0].step() }
    #expect(rig.status.waiting?.code == "E0314" && counter.refused > 0)
    #expect(rig.status.applied == UInt64(1), "only what was applied before")
    counter.refuses = false
    try rig.run()
    #expect(try emitted(project)["hot"] == numbered(Array(0..<299)))
    #expect(rig.status.applied == 599 && rig.status.held == 300)
  }
}

/// Counts commits, and those in which events were applied.
private final class CommitCounter {
  var commits = 0
  var applying = 0
  /// Whether commits in which events were applied find no room.
  var refuses = false
  var refused = 0
}

private final class CountingStore: EffectStore {
  private let store: any EffectStore
  private let counter: CommitCounter

  init(_ store: any EffectStore, _ counter: CommitCounter) {
    self.store = store
    self.counter = counter
  }

  var tables: [StoreTable] { store.tables }
  func ledger() throws(StoreError) -> HandlerLedger { try store.ledger() }
  func deadCode(_ position: Position) throws(StoreError) -> String? { try store.deadCode(position) }
  func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] {
    try store.outbox(from: sequence, limit: limit)
  }
  func begin(folding: Bool) throws(StoreError) -> any EffectTransaction {
    CountingTransaction(try store.begin(folding: folding), counter)
  }
}

private final class CountingTransaction: EffectTransaction {
  private let transaction: any EffectTransaction
  private let counter: CommitCounter
  private var applies = false

  init(_ transaction: any EffectTransaction, _ counter: CommitCounter) {
    self.transaction = transaction
    self.counter = counter
  }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool {
    try transaction.row(operation, table: table, arguments: arguments, result: result)
  }
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String] {
    try transaction.sql(text, arguments: arguments, result: result)
  }
  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? {
    try transaction.state(topic: topic, key: key)
  }
  func write(_ entry: EffectEntry) throws(StoreError) {
    if case .count(let applied, _) = entry, applied > 0 { applies = true }
    try transaction.write(entry)
  }
  func savepoint() throws(StoreError) { try transaction.savepoint() }
  func rollbackToSavepoint() throws(StoreError) { try transaction.rollbackToSavepoint() }
  func commit() throws(StoreError) {
    if applies, counter.refuses {
      counter.refused += 1
      throw .full(path: "c.sqlite")
    }
    try transaction.commit()
    counter.commits += 1
    if applies { counter.applying += 1 }
  }
  func rollback() throws(StoreError) { try transaction.rollback() }
}

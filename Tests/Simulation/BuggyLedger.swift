import MoontideCore
import MoontideJSON
import MoontideRuntime
import MoontideSQLite

/// The file of a saga, or of a consumer with effects, behind a mistake.
final class BuggyLedger: SagaStore, EffectLedger {
  fileprivate let store: ConsumerStore
  fileprivate let bug: PlantedBug
  fileprivate let numbers: SeededNumbers
  fileprivate let performer: SimulatedPerformer?
  /// Timers as they were read last.
  fileprivate var timers: [[UInt8]: [SagaTimerRow]] = [:]
  /// Steps that are hidden while their instance runs.
  fileprivate var hidden: [[UInt8]: String] = [:]
  /// Instances that this life has written.
  fileprivate var written: Set<[UInt8]> = []

  init(_ store: ConsumerStore, _ bug: PlantedBug, _ numbers: SeededNumbers, _ performer: SimulatedPerformer?)
  {
    self.store = store
    self.bug = bug
    self.numbers = numbers
    self.performer = performer
  }

  var tables: [StoreTable] { store.tables }
  func ledger() throws(StoreError) -> HandlerLedger { try store.ledger() }
  func deadCode(_ position: Position) throws(StoreError) -> String? { try store.deadCode(position) }
  func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] {
    try store.outbox(from: sequence, limit: limit)
  }
  func begin(folding: Bool) throws(StoreError) -> any EffectTransaction {
    BuggyLedgerTransaction(self, try store.begin(folding: folding))
  }

  // MARK: Sagas

  func saga(_ key: [UInt8]) throws(StoreError) -> SagaRow? {
    guard var row = try store.saga(key) else { return nil }
    timers[key] = row.timers
    switch bug {
    case .lateSuccessIsNotCompensated: row.body = SagaBody(row.body).without("blind")
    case .compensationIsOutOfOrder:
      hidden[key] = nil
      let body = SagaBody(row.body)
      let done = body.steps.filter { $0.phase == "succeeded" && $0.name != "ship" }
      if row.status == "running", done.count > 1 {
        hidden[key] = done[done.count - 1].name
        row.body = body.with("skipped", at: done[done.count - 1].name)
      }
    default: break
    }
    return row
  }

  func sagaKey(ofCommand id: [UInt8]) throws(StoreError) -> [UInt8]? { try store.sagaKey(ofCommand: id) }
  func sagaKeys(traced trace: [UInt8], limit: Int) throws(StoreError) -> [[UInt8]] {
    try store.sagaKeys(traced: trace, limit: limit)
  }
  func timers(
    _ clock: SagaTimerRow.Clock, through microseconds: Int64, limit: Int
  ) throws(StoreError) -> [SagaTimerRow] {
    let found = try store.timers(clock, through: microseconds, limit: limit)
    return bug == .timerIsLostAtRestart ? found.filter { written.contains($0.key) } : found
  }
  func nextTimer(_ clock: SagaTimerRow.Clock) throws(StoreError) -> Int64? {
    if bug == .timerIsLostAtRestart, written.isEmpty { return nil }
    return try store.nextTimer(clock)
  }
  func timers(after last: SagaTimerRow?, limit: Int) throws(StoreError) -> [SagaTimerRow] {
    let found = try store.timers(after: last, limit: limit)
    return bug == .timerIsLostAtRestart ? found.filter { written.contains($0.key) } : found
  }
  func openSagas(except version: String, after last: SagaRow?, limit: Int) throws(StoreError) -> [SagaRow] {
    try store.openSagas(except: version, after: last, limit: limit)
  }
  func sources(ofVersion version: String) throws(StoreError) -> [SagaSource] {
    try store.sources(ofVersion: version)
  }

  // MARK: Effects

  func openEffects(from sequence: UInt64, limit: Int) throws(StoreError) -> [LedgerEffect] {
    let found = try store.openEffects(from: sequence, limit: limit)
    guard bug == .effectsAreReordered, let last = found.last?.sequence else { return found }
    // The last one stays: the next ones are asked for behind it.
    return found.dropLast().reversed() + found.suffix(1).filter { $0.sequence == last }
  }
  func effect(_ sequence: UInt64) throws(StoreError) -> LedgerEffect? { try store.effect(sequence) }
  func effectEnd() throws(StoreError) -> UInt64 { try store.effectEnd() }
}

private final class BuggyLedgerTransaction: EffectTransaction {
  private let owner: BuggyLedger
  private var inner: any EffectTransaction
  private var later: [EffectEntry] = []
  /// Timers whose firing is written: instance and ordinal.
  private var fired: [(key: [UInt8], ordinal: UInt64)] = []

  init(_ owner: BuggyLedger, _ inner: any EffectTransaction) {
    self.owner = owner
    self.inner = inner
  }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool {
    try inner.row(operation, table: table, arguments: arguments, result: result)
  }
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String] {
    try inner.sql(text, arguments: arguments, result: result)
  }
  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? {
    try inner.state(topic: topic, key: key)
  }

  func write(_ entry: EffectEntry) throws(StoreError) {
    let dice = owner.numbers.chance(0.1)
    switch (owner.bug, entry) {
    case (.sagaIsWrittenBeforeItsOutbox, .emit): later.append(entry)
    case (.sagaCommandIsLost, .emit(let event)) where dice && event.topic == .commands: return
    case (.sagaCommandIsDoubled, .emit(var event)) where dice && event.topic == .commands:
      try inner.write(entry)
      event.id += Array("-again".utf8)
      try inner.write(.emit(event))
    case (.effectBeforeItsCommit, .effect(.recorded(let effect))):
      let job = EffectJob(key: effect.key, kind: effect.kind, request: EffectTemplate(effect.request))
      _ = owner.performer?.begin(job) { _ in }
      try inner.write(entry)
    case (.effectIsLost, .effect(.recorded)) where dice: return
    case (_, .emit(let event)) where event.topic == .timers:
      if let ordinal = MemberText(String(decoding: event.data, as: UTF8.self)).number("ordinal") {
        fired.append((event.key, UInt64(ordinal)))
      }
      try inner.write(entry)
    case (_, .saga(let row)):
      owner.written.insert(row.key)
      try inner.write(.saga(spoiled(row)))
    default: try inner.write(entry)
    }
  }

  private func spoiled(_ row: SagaRow) -> SagaRow {
    var row = row
    if owner.bug == .timerFiresTwice, owner.numbers.chance(0.3) {
      for one in fired where one.key == row.key && !row.timers.contains(where: { $0.ordinal == one.ordinal })
      {
        row.timers += (owner.timers[row.key] ?? []).filter { $0.ordinal == one.ordinal }
      }
    }
    if owner.bug == .compensationIsOutOfOrder, let name = owner.hidden.removeValue(forKey: row.key) {
      row.body = SagaBody(row.body).with("succeeded", at: name)
    }
    return row
  }

  func savepoint() throws(StoreError) { try inner.savepoint() }
  func rollbackToSavepoint() throws(StoreError) { try inner.rollbackToSavepoint() }

  func commit() throws(StoreError) {
    try inner.commit()
    guard !later.isEmpty else { return }
    inner = try owner.store.begin(folding: false)
    for entry in later { try inner.write(entry) }
    try inner.commit()
  }

  func rollback() throws(StoreError) { try inner.rollback() }
}

/// What is written of an instance's steps.
private struct SagaBody {
  private let json: JSONValue

  init(_ bytes: [UInt8]) {
    do throws(EnvelopeFault) { json = try JSONValue(parsing: bytes) } catch {
      preconditionFailure("an instance that is no JSON: \(error)")
    }
  }

  var steps: [(name: String, phase: String)] {
    guard case .array(let steps)? = json["steps"] else { return [] }
    return steps.map { ($0["name"]?.text ?? "", $0["phase"]?.text ?? "") }
  }

  func without(_ name: String) -> [UInt8] {
    bytes { step in step.filter { $0.name != name } }
  }

  func with(_ phase: String, at name: String) -> [UInt8] {
    bytes { step in
      guard step.contains(where: { $0.name == "name" && $0.value.text == name }) else { return step }
      return step.map { $0.name == "phase" ? .init("phase", .string(phase)) : $0 }
    }
  }

  private func bytes(_ change: ([JSONValue.Member]) -> [JSONValue.Member]) -> [UInt8] {
    guard case .object(var members) = json else { return [] }
    for index in members.indices where members[index].name == "steps" {
      guard case .array(let steps) = members[index].value else { continue }
      members[index].value = .array(
        steps.map { step in
          if case .object(let written) = step { .object(change(written)) } else { step }
        })
    }
    var bytes: [UInt8] = []
    JSONValue.object(members).append(to: &bytes)
    return bytes
  }
}

import MoontideCore
import Synchronization

/// Counts the calls of logs and stores and kills the process, as they see it, at one of them: that call and
/// all later ones fail. Each call counts twice, before and after its effect.
final class CrashPoint: Sendable {
  private let state: Mutex<(left: Int, seen: Int)>

  /// - Parameter at: the call to die at, from 0; `Int.max` never.
  init(at: Int) { state = Mutex((at, 0)) }

  /// Calls so far.
  var seen: Int { state.withLock { $0.seen } }
  var isDead: Bool { state.withLock { $0.left < 0 } }

  private func tick() -> Bool {
    state.withLock { state in
      state.seen += 1
      if state.left != .max { state.left = max(-1, state.left - 1) }
      return state.left >= 0
    }
  }

  func store<R>(_ call: () throws(StoreError) -> R) throws(StoreError) -> R {
    guard tick() else { throw .io(path: "store", reason: "crashed") }
    let result = try call()
    guard tick() else { throw .io(path: "store", reason: "crashed") }
    return result
  }

  func log<R>(_ call: () throws(LogError) -> R) throws(LogError) -> R {
    guard tick() else { throw .readOnly(reason: "crashed") }
    let result = try call()
    guard tick() else { throw .readOnly(reason: "crashed") }
    return result
  }
}

/// A log that dies at a crash point.
final class MortalLog: EventLog {
  private let log: any EventLog
  private let point: CrashPoint

  init(_ log: any EventLog, _ point: CrashPoint) {
    self.log = log
    self.point = point
  }

  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome {
    try point.log { () throws(LogError) in try log.append(request) }
  }
  func flush() throws(LogError) -> Position { try point.log { () throws(LogError) in try log.flush() } }
  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  {
    try point.log { () throws(LogError) in
      try log.read(from: start, records: records, bytes: bytes, into: batch)
    }
  }
  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    try log.read(topic: topic, key: key, from: version, records: records, bytes: bytes, into: batch)
  }
  func position(of place: LogPlace) throws(LogError) -> Position? { try log.position(of: place) }
  var durableEnd: Position { log.durableEnd }
  func topics() -> [TopicDescription] { log.topics() }
  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try log.topic(name, partitions: partitions)
  }
  func sequenceEnd(of producer: ProducerID) -> UInt64? { log.sequenceEnd(of: producer) }
  func wait(past position: Position, for timeout: Duration) -> Bool { log.wait(past: position, for: timeout) }
}

/// A store that dies at a crash point.
final class MortalStore: EffectStore {
  private let store: any EffectStore
  private let point: CrashPoint

  init(_ store: any EffectStore, _ point: CrashPoint) {
    self.store = store
    self.point = point
  }

  var tables: [StoreTable] { store.tables }
  func ledger() throws(StoreError) -> HandlerLedger { try store.ledger() }
  func deadCode(_ position: Position) throws(StoreError) -> String? { try store.deadCode(position) }
  func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent] {
    try point.store { () throws(StoreError) in try store.outbox(from: sequence, limit: limit) }
  }
  func begin(folding: Bool) throws(StoreError) -> any EffectTransaction {
    MortalTransaction(try point.store { () throws(StoreError) in try store.begin(folding: folding) }, point)
  }
}

final class MortalTransaction: EffectTransaction {
  private let transaction: any EffectTransaction
  private let point: CrashPoint
  private var hasEnded = false

  init(_ transaction: any EffectTransaction, _ point: CrashPoint) {
    self.transaction = transaction
    self.point = point
  }

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool {
    try point.store { () throws(StoreError) in
      try transaction.row(operation, table: table, arguments: arguments, result: result)
    }
  }
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String] {
    try point.store { () throws(StoreError) in
      try transaction.sql(text, arguments: arguments, result: result)
    }
  }
  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]? {
    try point.store { () throws(StoreError) in try transaction.state(topic: topic, key: key) }
  }
  func write(_ entry: EffectEntry) throws(StoreError) {
    try point.store { () throws(StoreError) in try transaction.write(entry) }
  }
  func savepoint() throws(StoreError) {
    try point.store { () throws(StoreError) in try transaction.savepoint() }
  }
  func rollbackToSavepoint() throws(StoreError) {
    try point.store { () throws(StoreError) in try transaction.rollbackToSavepoint() }
  }
  func commit() throws(StoreError) {
    try point.store { () throws(StoreError) in
      try transaction.commit()
      hasEnded = true
    }
  }
  /// What a dead process leaves is rolled back when its file is opened again: here at once.
  func rollback() throws(StoreError) {
    if !hasEnded { try transaction.rollback() }
    hasEnded = true
    if point.isDead { throw .io(path: "store", reason: "crashed") }
  }
}

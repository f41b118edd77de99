import MoontideCore
import MoontideLua

/// What the parts of a saga's worker share: its state of Lua, its store and its place. Owned by the worker's
/// thread.
final class SagaLane {
  /// Today's script.
  let code: SagaCode
  /// Older ones by which open instances end, by version.
  var old: [String: SagaCode] = [:]
  /// Open instances for `migrate`, the last one first.
  var unfit: [[UInt8]] = []
  /// Instances that ended since older ones were made smaller.
  var endedSince = 0
  /// What is to be written once about the instances that were open at the start.
  var arrivals: [SagaChange] = []
  let log: any EventLog
  let store: any SagaStore
  let surroundings: HandlerSurroundings
  private(set) var selection: LaneSelection
  let memory = SagaMemory()
  var parked = ParkedKeys()
  var rulings = Rulings()
  var status: HandlerStatus
  /// The running maximum of event time over the log up to where the saga stands.
  var eventTime: Int64
  /// Parked instances are found by their correlation value alone.
  static let place = TopicID(.max)

  var saga: SagaDefinition { code.saga }
  var catalog: ProjectCatalog { code.catalog }
  var program: SagaProgram { code.program }
  var coding: SagaCoding { code.coding }
  var host: SagaHost { code.host }
  var definition: HandlerDefinition { saga.handler }
  var title: String { "saga \(saga.name)" }

  init(
    _ saga: SagaDefinition, catalog: ProjectCatalog, log: any EventLog, store: any SagaStore,
    surroundings: HandlerSurroundings
  ) throws(WorkerStop) {
    self.log = log
    self.store = store
    self.surroundings = surroundings
    code = try SagaCode(saga, catalog: catalog, surroundings: surroundings)
    let ledger: HandlerLedger
    do throws(StoreError) { ledger = try store.ledger() } catch {
      throw .store(error, handler: "saga \(saga.name)")
    }
    selection = LaneSelection(saga.handler, lane: 0)
    status = HandlerStatus(
      name: saga.name, kind: .saga, scriptVersion: saga.handler.scriptVersion, lane: 0, position: .start)
    status.isSettled = !ledger.checkpoints.isEmpty
    status.applied = ledger.applied
    status.skipped = ledger.skipped
    status.dead = ledger.deadLetters
    status.emitted = ledger.nextOutbox
    eventTime = ledger.eventTime
    try meetOpenInstances()
    selection = LaneSelection(listening, lane: 0)
    try takeOver(ledger)
    try settleArrivals()
  }

  /// The script by which an instance stands.
  func code(of instance: SagaInstance) -> SagaCode { old[instance.version] ?? code }

  /// Older scripts in an order that does not depend on hashes.
  var oldCodes: [SagaCode] { old.values.sorted { $0.version < $1.version } }

  /// Whether today's script, or an older one that still runs, listens to events of that type and version.
  func concerns(_ record: Record, in batch: RecordBatch) -> Bool {
    oldCodes.contains { $0.concerns(record, in: batch) } || code.concerns(record, in: batch)
  }

  /// The definition with the topics of older scripts too.
  private var listening: HandlerDefinition {
    var definition = saga.handler
    for code in old.values {
      guard let more = code.saga.handler.topics else {
        definition.topics = nil
        break
      }
      definition.topics?.formUnion(more)
    }
    return definition
  }

  private func takeOver(_ ledger: HandlerLedger) throws(WorkerStop) {
    let topics = log.topics().sorted { $0.id < $1.id }
    do throws(LogError) {
      let start = try StartPlan.position(definition, known: nil, ledger: ledger, log: log)
      selection.learn(topics, checkpoints: ledger.checkpoints, start: start)
      status.position = selection.position ?? log.durableEnd
      if eventTime == .min, let begun = selection.position, begun > .start {
        // What the log holds before it has moved event time on.
        eventTime = try Self.eventTime(of: log, before: begun)
      }
      for (decision, place) in try Decision.all(of: saga.identityName, from: log) {
        rulings.add(decision, at: place)
      }
    } catch {
      throw .log(error, handler: title)
    }
    let now = surroundings.clock.now.microseconds
    for var key in ledger.parked {
      let isInstance = key.topic == .instances || key.topic == .migrations
      let topic = isInstance ? Self.place : topics.first { $0.name == key.topic }?.id
      guard let topic else { continue }
      if definition.exhausted == .halt, key.status == .dead { key.status = .retrying }
      let wait = min(max(.zero, .microseconds(key.dueMicroseconds - now)), definition.retry.max)
      parked.add(key, topic: topic, due: surroundings.clock.monotonic + wait)
    }
    if ledger.checkpoints.isEmpty { try writePlace() }
  }

  /// Reads all of it: once, when a saga begins in the middle of a log.
  private static func eventTime(of log: any EventLog, before end: Position) throws(LogError) -> Int64 {
    let batch = RecordBatch()
    var time = Int64.min
    var at = Position.start
    while at < end {
      at = try log.read(from: at, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      for record in batch.records where record.position < end {
        if let moved = Self.eventTime(of: record, in: batch) { time = max(time, moved) }
      }
    }
    return time
  }

  /// Where a record moves event time to; nil when it does not.
  static func eventTime(of record: Record, in batch: RecordBatch) -> Int64? {
    switch record.envelope.kind {
    case .event: return record.envelope.timeMicroseconds
    case .timer:
      guard case .advanced(let until)? = TimerRecord(record, in: batch)?.event else { return nil }
      return until
    default: return nil
    }
  }

  func stop(_ error: StoreError) -> WorkerStop { .store(error, handler: title) }

  func learnTopics() {
    let topics = log.topics().sorted { $0.id < $1.id }
    selection.learn(topics, checkpoints: [:], start: selection.position ?? .start)
    status.position = selection.position ?? log.durableEnd
  }

  /// Writes down the place that was reached, and how far event time has come.
  func writePlace() throws(WorkerStop) {
    guard let position = selection.position else { return }
    status.position = position
    do throws(StoreError) {
      let transaction = try store.begin(folding: false)
      try transaction.write(.checkpoint(selection.partitions(at: position), position))
      try transaction.write(.eventTime(eventTime))
      try transaction.commit()
    } catch { throw stop(error) }
    status.isSettled = true
  }

  /// States that tripped a budget are thrown away.
  func renewProgramIfSpent() throws(WorkerStop) {
    try code.renewIfSpent()
    for code in old.values { try code.renewIfSpent() }
  }

  /// When a key is due after a failed try, on both clocks.
  func due(afterAttempt attempts: Int) -> (monotonic: Duration, microseconds: Int64) {
    let delay = definition.retry.delay(afterAttempt: attempts, random: surroundings.randomness.next())
    return (
      surroundings.clock.monotonic + delay,
      surroundings.clock.now.microseconds + Int64(delay / .microseconds(1))
    )
  }
}

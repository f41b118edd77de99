import MoontideCore
import MoontideLua

/// What the parts of a saga's worker share: its state of Lua, its store and its place. Owned by the worker's
/// thread.
final class SagaLane {
  let saga: SagaDefinition
  let catalog: ProjectCatalog
  let log: any EventLog
  let store: any SagaStore
  let surroundings: HandlerSurroundings
  let coding: SagaCoding
  let host: SagaHost
  let report: FaultReport
  let selection: LaneSelection
  private(set) var program: SagaProgram
  var subscriptions: SubscriptionTable
  var parked = ParkedKeys()
  var rulings = Rulings()
  var status: HandlerStatus
  /// The running maximum of event time over the log up to where the saga stands.
  var eventTime: Int64
  /// Parked instances are found by their correlation value alone.
  static let place = TopicID(.max)

  var definition: HandlerDefinition { saga.handler }
  var title: String { "saga \(saga.name)" }

  init(
    _ saga: SagaDefinition, catalog: ProjectCatalog, log: any EventLog, store: any SagaStore,
    surroundings: HandlerSurroundings
  ) throws(WorkerStop) {
    self.saga = saga
    self.catalog = catalog
    self.log = log
    self.store = store
    self.surroundings = surroundings
    let name = "saga \(saga.name)"
    coding = SagaCoding(plan: saga.plan, scriptVersion: saga.handler.scriptVersion)
    host = SagaHost(saga, catalog: catalog, surroundings: surroundings)
    report = FaultReport(definition: saga.handler, scripts: catalog.scripts, upcasters: catalog.upcasters)
    do throws(LuaFault) { program = try SagaProgram(saga, catalog: catalog, host: host) } catch {
      throw .halt(FaultReport.loading(error, path: saga.handler.path, scripts: catalog.scripts))
    }
    subscriptions = program.reading.subscriptions
    let ledger: HandlerLedger
    do throws(StoreError) { ledger = try store.ledger() } catch { throw .store(error, handler: name) }
    selection = LaneSelection(saga.handler, lane: 0)
    status = HandlerStatus(
      name: saga.name, kind: .saga, scriptVersion: saga.handler.scriptVersion, lane: 0, position: .start)
    status.isSettled = !ledger.checkpoints.isEmpty
    status.applied = ledger.applied
    status.skipped = ledger.skipped
    status.dead = ledger.deadLetters
    status.emitted = ledger.nextOutbox
    eventTime = ledger.eventTime
    try takeOver(ledger)
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
      let topic = key.topic == .instances ? Self.place : topics.first { $0.name == key.topic }?.id
      guard let topic else { continue }
      if definition.exhausted == .halt, key.status == .dead { key.status = .retrying }
      let wait = min(max(.zero, .microseconds(key.dueMicroseconds - now)), definition.retry.max)
      parked.add(key, topic: topic, due: surroundings.clock.monotonic + wait)
    }
    try checkOpenInstances()
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

  /// Refuses a script that lacks steps on which instances stand.
  private func checkOpenInstances() throws(WorkerStop) {
    var after: [UInt8]?
    var misfits = 0
    var first: [UInt8] = []
    do throws(StoreError) {
      while true {
        let rows = try store.openSagas(after: after, limit: Limits.readRecordsMax)
        guard let last = rows.last else { break }
        for row in rows where row.scriptVersion != definition.scriptVersion && coding.instance(row) == nil {
          if misfits == 0 { first = row.key }
          misfits += 1
        }
        after = last.key
      }
    } catch { throw stop(error) }
    guard misfits > 0 else { return }
    throw .halt(misfit(first, count: misfits))
  }

  func misfit(_ key: [UInt8], count: Int) -> Diagnostic {
    Diagnostic(
      code: RuntimeCode.sagaMisfit.rawValue,
      "\(title): \(Counted.text(count, "open instance")) "
        + "\(count == 1 ? "stands" : "stand") on steps that the script no longer has in that order",
      at: definition.place,
      details: [
        .init("note", "the first is \(String(decoding: key, as: UTF8.self)): moontide saga show"),
        .init("help", "put the steps back, by name and order, until those instances have ended"),
      ])
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

  /// A state that tripped a budget is thrown away.
  func renewProgramIfSpent() throws(WorkerStop) {
    guard program.state.isSpent else { return }
    do throws(LuaFault) { program = try SagaProgram(saga, catalog: catalog, host: host) } catch {
      throw .halt(FaultReport.loading(error, path: definition.path, scripts: catalog.scripts))
    }
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

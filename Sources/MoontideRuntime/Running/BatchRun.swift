import MoontideCore
import MoontideLua

/// One pass over a batch, in one transaction. The first pass is fast: any failure undoes all of it. The
/// second is careful: it marks a place before every event, so that a failing one leaves nothing and the
/// rest stays.
final class BatchRun {
  enum Failure: Error {
    /// Run the batch again, carefully.
    case again
    case stop(WorkerStop)
  }

  private let lane: HandlerLane
  private let batch: RecordBatch
  private let end: Position
  private let isCareful: Bool
  private var transaction: (any EffectTransaction)?
  private var parked: ParkedKeys
  private var applied: UInt64 = 0
  private var skipped: UInt64 = 0
  private var emitted: UInt64 = 0
  private var dead = 0
  private var degradedSince: Position?
  private var reports: [Diagnostic] = []
  private var halt: Diagnostic? { didSet { isHalting = halt != nil } }
  /// Asked after each event, where looking at `halt` would cost more.
  private var isHalting = false

  /// - Parameter end: where the log is read on behind this batch.
  init(_ lane: HandlerLane, _ batch: RecordBatch, end: Position, isCareful: Bool) {
    self.lane = lane
    self.batch = batch
    self.end = end
    self.isCareful = isCareful
    parked = lane.parked
  }

  /// Runs the events of the batch and commits; a batch of which nothing concerns the handler only moves the
  /// place in memory.
  func run() throws(Failure) {
    lane.host.storeError = nil
    do throws(Failure) {
      let reached = try pass()
      try commit(at: reached)
    } catch {
      lane.host.transaction = nil
      if let transaction {
        self.transaction = nil
        do throws(StoreError) { try transaction.rollback() } catch { throw .stop(lane.stop(error)) }
      }
      throw error
    }
  }

  /// Returns how far it came: the end of the batch, or an earlier event when it took long or must stop.
  private func pass() throws(Failure) -> Position {
    let deadline = lane.surroundings.clock.monotonic + Limits.batchTimeMax
    var handled = 0
    let lane = lane
    let selection = lane.selection
    // Nothing changes the records while they are handled: upcasters append to the bytes only.
    for record in batch.records {
      if !selection.knows(record.topic) {
        do throws(WorkerStop) { try lane.learnTopics() } catch { throw .stop(error) }
      }
      guard selection.takes(record) else {
        if record.envelope.kind == .decision, try !decide(record) { return record.position }
        continue
      }
      let route = lane.subscriptions.route(batch.bytes, record.envelope.type)
      guard lane.subscriptions.concerns(route, version: record.envelope.version) else { continue }
      try handle(record, route)
      if isHalting { return record.position }
      handled &+= 1
      if handled & 63 == 0, lane.surroundings.clock.monotonic > deadline { return record.position.next }
    }
    return end
  }

  private func handle(_ record: Record, _ route: SubscriptionTable.Route) throws(Failure) {
    if !parked.isEmpty, let index = parked.find(batch.bytes, record.envelope.key, topic: record.topic) {
      return try hold(record, behind: index)
    }
    var record = record
    if lane.rulings.mayRule(record.position), let ruling = lane.rulings[record.position] {
      switch ruling {
      case .skip:
        _ = try open()
        skipped += 1
        return
      case .correct(let data): record = HandlerLane.corrected(record, data, in: batch)
      }
    }
    if isCareful {
      let transaction = try open()
      try store { () throws(StoreError) in try transaction.savepoint() }
    } else if transaction == nil {
      _ = try open()
    }
    do throws(LuaFault) {
      if try lane.apply(record, route, in: batch) { applied += 1 } else { skipped += 1 }
      emitted += UInt64(lane.host.emitted)
    } catch {
      if let storeError = lane.host.storeError { throw failure(storeError) }
      guard isCareful else { throw .again }
      let transaction = try open()
      try store { () throws(StoreError) in try transaction.rollbackToSavepoint() }
      do throws(WorkerStop) { try lane.renewProgramIfSpent() } catch { throw .stop(error) }
      try dispose(error, of: record)
    }
  }

  /// Carries out a person's decision; false when what came before it must be committed first, so that the
  /// store tells the truth about dead letters.
  private func decide(_ record: Record) throws(Failure) -> Bool {
    guard let decision = lane.decision(record, in: batch) else { return true }
    if transaction != nil { return false }
    var run = DecisionRun(decision, lane: lane, parked: parked)
    do throws(WorkerStop) { try run.run() } catch { throw .stop(error) }
    for entry in run.entries { try write(entry) }
    parked = run.parked
    dead += run.dead
    skipped += run.skipped
    return true
  }

  private func open() throws(Failure) -> any EffectTransaction {
    if let transaction { return transaction }
    let folding = lane.definition.kind == .projection && !isCareful
    let store = lane.store
    do throws(StoreError) {
      let begun = try store.begin(folding: folding)
      transaction = begun
      lane.host.transaction = begun
      return begun
    } catch {
      throw failure(error)
    }
  }

  /// The event waits behind its parked key.
  private func hold(_ record: Record, behind index: Int) throws(Failure) {
    let key = parked.entries[index].key
    guard parked.entries[index].heldCount < Limits.heldPerKeyMax else {
      halt = Diagnostic(
        code: RuntimeCode.heldTooMany.rawValue,
        "\(lane.title) stopped: \(Limits.heldPerKeyMax) events wait behind one parked key, the bound",
        at: lane.definition.place,
        details: [
          .init(
            "help", "moontide dead show d-\(key.position.value) · mend the script, then moontide dead retry")
        ])
      return
    }
    try write(.held(topic: key.topic, key: key.key, position: record.position))
    parked.hold(record.position, at: index)
  }

  /// Does with a failed event what the policy says.
  private func dispose(_ fault: LuaFault, of record: Record) throws(Failure) {
    let topic = lane.selection.topics[Int(record.topic.value)].name
    let plan = FailurePlan.decide(lane.definition, attempts: 1)
    let letter = lane.report.deadLetter(fault, record: record, in: batch, topic: topic, attempts: 1)
    var diagnostic = lane.report.failure(
      fault, record: record, seen: lane.host.record, in: batch, topic: topic,
      plan: plan,
      state: lane.report.outcome(
        plan, attempts: 1, key: batch.bytes.text(record.envelope.key), position: record.position, held: 0))
    if plan == .park { diagnostic.severity = .warning }
    switch plan {
    case .halt:
      halt = diagnostic
      return
    case .setAside:
      try write(.dead(letter))
      degradedSince = degradedSince ?? record.position
      dead += 1
    case .deadAndGoOn:
      try write(.dead(letter))
      dead += 1
    case .park, .deadAndHold:
      guard parked.entries.count < Limits.parkedKeysMax else {
        halt = Diagnostic(
          code: RuntimeCode.heldTooMany.rawValue,
          "\(lane.title) stopped: \(Limits.parkedKeysMax) keys are parked, which is the bound",
          at: lane.definition.place,
          details: [.init("help", "moontide dead ls · mend the script, then moontide dead retry")])
        return
      }
      let due = lane.due(afterAttempt: 1)
      let key = ParkedKey(
        topic: topic, key: letter.key, position: record.position, status: plan == .park ? .retrying : .dead,
        attempts: 1, dueMicroseconds: due.microseconds)
      if plan == .deadAndHold {
        try write(.dead(letter))
        dead += 1
      }
      try write(.parked(key))
      parked.add(key, topic: record.topic, due: due.monotonic)
    }
    reports.append(diagnostic)
  }

  private func commit(at reached: Position) throws(Failure) {
    let isWritten = transaction != nil
    if let transaction {
      if applied > 0 || skipped > 0 { try write(.count(applied: applied, skipped: skipped)) }
      let partitions = lane.selection.partitions(behind: reached)
      if !partitions.isEmpty { try write(.checkpoint(partitions, reached)) }
      try store { () throws(StoreError) in try transaction.commit() }
      self.transaction = nil
      lane.host.transaction = nil
    }
    lane.selection.advance(to: reached)
    lane.parked = parked
    lane.status.applied += applied
    lane.status.skipped += skipped
    lane.status.emitted += emitted
    lane.status.dead += dead
    lane.status.degradedSince = lane.status.degradedSince ?? degradedSince
    lane.status.isSettled = isWritten
    for report in reports { lane.surroundings.report(report) }
    if let halt { throw .stop(.halt(halt)) }
  }

  private func write(_ entry: EffectEntry) throws(Failure) {
    let transaction = try open()
    try store { () throws(StoreError) in try transaction.write(entry) }
  }

  private func store(_ call: () throws(StoreError) -> Void) throws(Failure) {
    do throws(StoreError) { try call() } catch { throw failure(error) }
  }

  private func failure(_ error: StoreError) -> Failure {
    if case .foldedConstraint = error, !isCareful { return .again }
    return .stop(lane.stop(error))
  }
}

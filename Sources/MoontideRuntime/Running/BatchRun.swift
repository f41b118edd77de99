import MoontideCore
import MoontideLua

/// One pass over a batch, in one transaction, with more or less care for events that fail.
final class BatchRun {
  enum Failure: Error {
    /// Run the batch again, with more care.
    case again
    /// Run the events before this place carefully and commit them.
    case before(Position)
    case stop(WorkerStop)
  }

  private let lane: HandlerLane
  private let batch: RecordBatch
  private let end: Position
  private let care: Care
  private var transaction: (any EffectTransaction)?
  private var parked: ParkedKeys
  private var applied: UInt64 = 0
  private var skipped: UInt64 = 0
  private var emitted: UInt64 = 0
  private var dead = 0
  private var degradedSince: Position?
  private var reports: [Diagnostic] = []
  private var halt: Diagnostic?
  /// Where the pass ends early: the first event that it leaves to another.
  private var stop: Position?

  /// - Parameter end: where the log is read on behind this batch.
  init(_ lane: HandlerLane, _ batch: RecordBatch, end: Position, care: Care) {
    self.lane = lane
    self.batch = batch
    self.end = end
    self.care = care
    parked = lane.parked
  }

  /// Runs the events of the batch and commits; a batch of which nothing concerns the handler only moves the
  /// place in memory.
  ///
  /// Returns whether an event failed.
  func run() throws(Failure) -> Bool {
    lane.host.storeError = nil
    do throws(Failure) {
      let reached = try pass()
      try commit(at: reached)
      return !reports.isEmpty
    } catch {
      lane.host.transaction = nil
      lane.trace?.undone()
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
    for stored in batch.records {
      if stored.position >= end { return end }
      if !selection.knows(stored.topic) {
        do throws(WorkerStop) { try lane.learnTopics() } catch { throw .stop(error) }
      }
      let record = stored.envelope.kind == .event ? stored : lane.placed(stored, in: batch)
      guard selection.takes(record) else {
        if record.envelope.kind == .decision, try !decide(record) { return record.position }
        continue
      }
      let route = lane.route(record, in: batch)
      guard lane.subscriptions.concerns(route, version: record.envelope.version) else { continue }
      try handle(record, route)
      if let stop { return stop }
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
    var isCorrected = false
    if lane.rulings.mayRule(record.position), let ruling = lane.rulings[record.position] {
      switch ruling {
      case .skip:
        _ = try open()
        skipped += 1
        lane.trace?.skips(record, in: batch, topic: lane.topic(of: record))
        return
      case .correct(let data):
        isCorrected = true
        record = HandlerLane.corrected(record, data, in: batch)
      }
    }
    let isFirst = transaction == nil
    if care != .none {
      let transaction = try open()
      try store { () throws(StoreError) in try transaction.savepoint() }
    } else if transaction == nil {
      _ = try open()
    }
    if let trace = lane.trace {
      trace.begins(record, in: batch, topic: lane.topic(of: record), isCorrected: isCorrected)
    }
    do throws(LuaFault) {
      let isApplied = try lane.apply(record, route, in: batch)
      if isApplied { applied += 1 } else { skipped += 1 }
      if let trace = lane.trace { trace.ended(isApplied: isApplied) }
      emitted += UInt64(lane.host.emitted)
    } catch {
      let isLost = transaction?.isLost == true
      if let storeError = lane.host.storeError, !isLost { throw failure(storeError) }
      if care == .none { throw .again }
      // The transaction went with a statement that had to be stopped. What came before is committed by
      // itself, so that this event is alone when it fails again.
      if isLost, !isFirst { throw .before(record.position) }
      let transaction = try open()
      if isLost {
        self.transaction = nil
        lane.host.transaction = nil
        lane.host.storeError = nil
        try store { () throws(StoreError) in try transaction.rollback() }
      } else {
        try store { () throws(StoreError) in try transaction.rollbackToSavepoint() }
      }
      do throws(WorkerStop) { try lane.renewProgramIfSpent() } catch { throw .stop(error) }
      try dispose(error, of: record)
    }
  }

  /// Carries out a person's decision; false when what came before it must be committed first, so that the
  /// store tells the truth about dead letters.
  private func decide(_ record: Record) throws(Failure) -> Bool {
    guard let decision = lane.decision(record, in: batch) else { return true }
    if transaction != nil { return false }
    var run = DecisionRun(decision, at: record.position, lane: lane, parked: parked)
    do throws(WorkerStop) { try run.run() } catch { throw .stop(error) }
    for entry in run.entries { try write(entry) }
    parked = run.parked
    dead += run.dead
    skipped += run.skipped
    return true
  }

  private func open() throws(Failure) -> any EffectTransaction {
    if let transaction { return transaction }
    let folding = lane.definition.kind == .projection && care != .plain
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
      stop = record.position
      // A key that is going through what waits makes room by itself.
      if key.status == .retrying, key.attempts == 0 { return }
      halt = Diagnostic(
        code: RuntimeCode.heldTooMany.rawValue,
        "\(lane.title) stopped: \(Limits.heldPerKeyMax) events wait behind one parked key, the bound",
        at: lane.definition.place,
        details: [
          .init(
            "help",
            "moontide dead show d-\(key.position.value)@\(lane.definition.name) · mend the script, then "
              + "moontide dead retry \(lane.definition.name)")
        ])
      return
    }
    try write(.held(topic: key.topic, key: key.key, position: record.position))
    parked.hold(record.position, at: index)
  }

  /// Does with a failed event what the policy says.
  private func dispose(_ fault: LuaFault, of record: Record) throws(Failure) {
    if lane.definition.kind == .consumer, parked.entries.count >= Limits.parkedKeysMax {
      stop = record.position
      halt = Diagnostic(
        code: RuntimeCode.heldTooMany.rawValue,
        "\(lane.title) stopped: \(Limits.parkedKeysMax) keys are parked, which is the bound",
        at: lane.definition.place,
        details: [
          .init(
            "help", "moontide dead ls · mend the script, then moontide dead retry \(lane.definition.name)")
        ])
      return
    }
    let topic = lane.selection.topics[Int(record.topic.value)].name
    let plan = FailurePlan.decide(lane.definition, attempts: 1)
    let letter = lane.report.deadLetter(fault, record: record, in: batch, topic: topic, attempts: 1)
    lane.trace?.failed(letter)
    var diagnostic = lane.report.failure(
      fault, record: record, seen: lane.host.record, in: batch, topic: topic,
      plan: plan,
      state: lane.report.outcome(
        plan, attempts: 1, key: batch.bytes.text(record.envelope.key), position: record.position, held: 0))
    if plan == .park { diagnostic.severity = .warning }
    let halts = plan == .halt
    if halts {
      halt = diagnostic
      stop = record.position.next
    }
    if plan != .park {
      try write(.dead(letter))
      dead += 1
    }
    if lane.definition.kind == .projection {
      degradedSince = degradedSince ?? record.position
    } else if plan != .deadAndGoOn {
      try park(record, letter.key, topic, isDead: plan != .park)
    }
    if !halts { reports.append(diagnostic) }
  }

  private func park(
    _ record: Record, _ bytes: [UInt8], _ topic: TopicName, isDead: Bool
  ) throws(Failure) {
    let due = lane.due(afterAttempt: 1)
    let key = ParkedKey(
      topic: topic, key: bytes, position: record.position, status: isDead ? .dead : .retrying, attempts: 1,
      dueMicroseconds: due.microseconds)
    try write(.parked(key))
    parked.add(key, topic: record.topic, due: due.monotonic)
  }

  private func commit(at reached: Position) throws(Failure) {
    let isWritten = transaction != nil
    if let transaction {
      if applied > 0 || skipped > 0 { try write(.count(applied: applied, skipped: skipped)) }
      let partitions = lane.selection.partitions(behind: reached)
      if !partitions.isEmpty { try write(.checkpoint(partitions, reached)) }
      CrashPoint.reach(.beforeCommit)
      try store { () throws(StoreError) in try transaction.commit() }
      CrashPoint.reach(.afterCommit)
      self.transaction = nil
      lane.host.transaction = nil
    }
    lane.selection.advance(to: reached)
    if let trace = lane.trace {
      do throws(Diagnostic) { try trace.committed(before: reached) } catch { throw .stop(.halt(error)) }
    }
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
    if case .foldedConstraint = error, care != .plain { return .again }
    return .stop(lane.stop(error))
  }
}

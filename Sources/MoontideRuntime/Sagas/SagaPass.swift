import MoontideCore
import MoontideLua

/// One transaction of a saga: records of the log one after the other, or parked records that are tried again.
/// Before a record that moves event time on, the timers fire that it makes due. What a record makes is put in
/// when all of it succeeded, so that one that fails leaves nothing but its place behind a parked instance.
final class SagaPass {
  let lane: SagaLane
  let batch: RecordBatch
  /// Today's script first.
  private var routers: [SagaRouter]
  let instances: SagaInstances
  var parked: ParkedKeys
  private var transaction: (any EffectTransaction)?
  var eventTime: Int64
  /// Timers that fired in this pass: what they set may be due at once, without an end.
  var fired = 0
  var counts = Counts()
  /// By how much the count of dead letters changes.
  var dead = 0
  var reports: [Diagnostic] = []
  var halt: Diagnostic?
  /// Where the pass ends early: the first record that it leaves to another.
  var end: Position?
  /// The correlation value of the instance that the record which failed was about; nil when it is not known.
  var failing: [UInt8]?
  /// The script by which it failed.
  var failingCode: SagaCode
  /// The timer of that instance whose function was called.
  var failingTimer: UInt64?
  /// Whether a person asks for the record again that is handled.
  var isAsked = false

  /// What is added to the saga's counts.
  struct Counts {
    var applied: UInt64 = 0
    var skipped: UInt64 = 0
    var unknown: UInt64 = 0
    var emitted: UInt64 = 0
  }

  /// - Parameter batch: what is gone through, or read into.
  init(_ lane: SagaLane, _ batch: RecordBatch) throws(WorkerStop) {
    self.lane = lane
    self.batch = batch
    routers = ([lane.code] + lane.oldCodes).map { SagaRouter(lane, $0) }
    failingCode = lane.code
    parked = lane.parked
    eventTime = lane.eventTime
    do throws(StoreError) { instances = try SagaInstances(lane) } catch {
      throw lane.stop(error)
    }
  }

  /// Goes through the records of the batch, behind which the log is read on at `next`, and commits. Returns
  /// whether it moved on.
  func run(upTo next: Position) throws(WorkerStop) -> Bool {
    let before = lane.selection.position ?? .start
    let reached: Position
    do throws(WorkerStop) {
      reached = try go(upTo: next)
      try commit(at: reached)
    } catch {
      try rollback()
      throw error
    }
    if let halt { throw .halt(halt) }
    return reached > before
  }

  /// Tries parked records that are due; false when none is.
  func retry() throws(WorkerStop) -> Bool {
    var tries = 0
    do throws(WorkerStop) {
      let deadline = lane.surroundings.clock.monotonic + Limits.retryTimeMax
      while tries < Limits.retriesPerStep, halt == nil, lane.surroundings.clock.monotonic < deadline,
        let index = parked.next(at: lane.surroundings.clock.monotonic)
      {
        try again(index)
        tries += 1
      }
      if tries > 0 {
        // What they set may be due by what others have said meanwhile.
        _ = try fire(at: lane.status.position, before: lane.status.position)
        try commit(at: nil)
      } else {
        lane.parked = parked
      }
    } catch {
      try rollback()
      throw error
    }
    if let halt { throw .halt(halt) }
    return tries > 0
  }

  /// The time of day has reached timers: their firings go to the log, where the saga meets them. Returns
  /// whether there were any.
  /// - Parameter hasGoneBack: whether the time of day may be before one that it was. Tries that are further
  ///   away than any try is set are due then: else they would wait until it comes there again.
  func announce(at now: Int64, hasGoneBack: Bool) throws(WorkerStop) -> Bool {
    var timers: [SagaTimerRow] = []
    let far = now.addingSaturated(Int64(lane.saga.plan.retry.max / .microseconds(1)))
    do throws(StoreError) {
      timers = try lane.store.timers(
        .wall, through: hasGoneBack ? .max : now, limit: hasGoneBack ? .max : Limits.sagaFiringsMax)
      timers.removeAll { $0.dueMicroseconds > now && $0.dueMicroseconds <= far }
      if !lane.saga.followsEventTime {
        timers += try lane.store.timers(.event, through: now, limit: Limits.sagaFiringsMax)
      }
    } catch { throw lane.stop(error) }
    timers.removeAll { $0.announcement != .none }
    if timers.isEmpty { return false }
    timers.sort { $0.isBefore($1) }
    do throws(WorkerStop) {
      for timer in timers.prefix(Limits.sagaFiringsMax) {
        try announce(timer, as: .byClock, cause: lane.status.position)
      }
      try commit(at: nil)
    } catch {
      try rollback()
      throw error
    }
    return true
  }

  // MARK: The log

  private func go(upTo next: Position) throws(WorkerStop) -> Position {
    let deadline = lane.surroundings.clock.monotonic + Limits.batchTimeMax
    var handled = 0
    let first = lane.selection.position ?? .start
    for record in batch.records {
      if !lane.selection.knows(record.topic) { lane.learnTopics() }
      guard record.position >= first else { continue }
      if try !advance(to: record) { return record.position }
      if try take(record) { handled += 1 }
      if let end { return end }
      // Timers that the record set may be due already.
      _ = try fire(at: record.position, before: record.position.next)
      if halt != nil { return record.position.next }
      if handled & 15 == 15, lane.surroundings.clock.monotonic > deadline { return record.position.next }
    }
    return next
  }

  /// A firing and the like as a record, before it is in the log.
  static func record(of event: OutboxEvent, at position: Position) -> (Record, RecordBatch) {
    let drafts = DraftBatch()
    event.draft(topic: TopicID(0), into: drafts)
    let batch = RecordBatch()
    batch.bytes = drafts.bytes + Array(repeating: 0, count: Limits.parserPaddingBytes)
    let record = Record(
      position: position, offset: Offset(0), topic: TopicID(0), partition: 0, recordedMicroseconds: 0,
      envelope: drafts.drafts[0].envelope)
    batch.records = [record]
    return (record, batch)
  }

  /// Whether the record was one for the saga.
  private func take(_ record: Record) throws(WorkerStop) -> Bool {
    switch record.envelope.kind {
    case .event:
      guard lane.selection.takes(record) else { return false }
      if !parked.isEmpty, let index = parked.find(batch.bytes, record.envelope.key, topic: record.topic),
        lane.concerns(record, in: batch)
      {
        try hold(record, behind: index)
        return true
      }
    case .outcome, .timer, .result:
      guard batch.bytes[record.envelope.source.indices].elementsEqual(lane.saga.identityName.utf8) else {
        return false
      }
    case .decision:
      guard batch.bytes[record.envelope.key.indices].elementsEqual(lane.saga.identityName.utf8) else {
        return false
      }
      if SagaDecision(record, in: batch) == nil {
        let decision = Decision(record, in: batch)
        lane.rulings.add(decision, at: record.position)
        try carryOut(decision)
        return true
      }
    default: return false
    }
    do throws(SagaFailure) { return try handle(record) } catch {
      switch error {
      case .stop(let stop): throw stop
      case .script(let fault):
        try lane.renewProgramIfSpent()
        try park(fault, record)
        return true
      }
    }
  }

  /// What an event says, by today's script and by older ones; nil when it concerns neither.
  func routed(_ record: Record) throws(SagaFailure) -> (items: [SagaItem], unknown: Int)? {
    var found: (items: [SagaItem], unknown: Int)?
    for index in routers.indices {
      failingCode = routers[index].code
      guard let more = try routers[index].items(record, in: batch, instances) else { continue }
      found = ((found?.items ?? []) + more.items, (found?.unknown ?? 0) + more.unknown)
    }
    failingCode = lane.code
    // What an older script takes is not unknown.
    if let all = found, routers.count > 1, !all.items.isEmpty { found?.unknown = 0 }
    return found
  }

  // MARK: The transaction

  private func open() throws(WorkerStop) -> any EffectTransaction {
    if let transaction { return transaction }
    do throws(StoreError) {
      let begun = try lane.store.begin(folding: false)
      transaction = begun
      return begun
    } catch { throw lane.stop(error) }
  }

  func write(_ entry: EffectEntry) throws(WorkerStop) {
    let transaction = try open()
    do throws(StoreError) { try transaction.write(entry) } catch { throw lane.stop(error) }
  }

  /// - Parameter reached: how far the log was read; nil: no further.
  func commit(at reached: Position?) throws(WorkerStop) {
    if counts.unknown > 0 { try write(.unknown(counts.unknown)) }
    for row in instances.rows { try write(.saga(row)) }
    let ended = lane.endedSince + instances.ended
    if ended >= Limits.sagasCompactedMin / 10, instances.ended > 0 {
      try write(
        .sagaChange(.compact(kept: Limits.sagasKeptMax, least: Limits.sagasCompactedMin)))
    }
    let retired = lane.retired(by: instances)
    if !retired.isEmpty {
      let kept = lane.oldCodes.map(\.version).filter { !retired.contains($0) }
      try write(.sagaChange(.forget(except: [lane.code.version] + kept)))
    }
    let isWritten = transaction != nil || counts.applied + counts.skipped > 0
    if isWritten {
      if counts.applied + counts.skipped > 0 {
        try write(.count(applied: counts.applied, skipped: counts.skipped))
      }
      if let reached {
        let partitions = lane.selection.partitions(behind: reached)
        if !partitions.isEmpty { try write(.checkpoint(partitions, reached)) }
        try write(.eventTime(eventTime))
      }
      let transaction = try open()
      CrashPoint.reach(.beforeCommit)
      do throws(StoreError) { try transaction.commit() } catch {
        lane.memory.forget()
        throw lane.stop(error)
      }
      CrashPoint.reach(.afterCommit)
      instances.keep()
      self.transaction = nil
    }
    lane.note(instances, retired: retired)
    lane.endedSince = ended >= Limits.sagasCompactedMin / 10 ? 0 : ended
    if let reached {
      lane.selection.advance(to: reached)
      lane.eventTime = eventTime
      lane.status.isSettled = isWritten
    }
    lane.parked = parked
    lane.status.applied += counts.applied
    lane.status.skipped += counts.skipped
    lane.status.emitted += counts.emitted
    lane.status.dead += dead
    for report in reports { lane.surroundings.report(report) }
  }

  func rollback() throws(WorkerStop) {
    guard let transaction else { return }
    self.transaction = nil
    do throws(StoreError) { try transaction.rollback() } catch { throw lane.stop(error) }
  }
}

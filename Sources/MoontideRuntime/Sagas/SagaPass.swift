import MoontideCore
import MoontideLua

/// One transaction of a saga: records of the log one after the other, or parked records that are tried again.
/// Before a record that moves event time on, the timers fire that it makes due. What a record makes is put in
/// when all of it succeeded, so that one that fails leaves nothing but its place behind a parked instance.
final class SagaPass {
  let lane: SagaLane
  let batch: RecordBatch
  var router: SagaRouter
  var instances: SagaInstances
  var parked: ParkedKeys
  private var transaction: (any EffectTransaction)?
  private var eventTime: Int64
  /// Timers that fired in this pass: what they set may be due at once, without an end.
  private var fired = 0
  var counts = Counts()
  /// By how much the count of dead letters changes.
  var dead = 0
  var reports: [Diagnostic] = []
  var halt: Diagnostic?
  /// Where the pass ends early: the first record that it leaves to another.
  var end: Position?
  /// The correlation value of the instance that the record which failed was about; nil when it is not known.
  var failing: [UInt8]?

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
    router = SagaRouter(lane)
    parked = lane.parked
    eventTime = lane.eventTime
    do throws(StoreError) { instances = try SagaInstances(lane.store, coding: lane.coding) } catch {
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
        _ = try fire(at: lane.status.position)
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
  func announce(through microseconds: Int64) throws(WorkerStop) -> Bool {
    var timers: [SagaTimerRow] = []
    do throws(StoreError) {
      timers = try lane.store.timers(
        .wall, through: try retryTime(microseconds), limit: Limits.sagaFiringsMax)
      if !lane.saga.followsEventTime {
        timers += try lane.store.timers(.event, through: microseconds, limit: Limits.sagaFiringsMax)
      }
    } catch { throw lane.stop(error) }
    if timers.isEmpty { return false }
    timers.sort { ($0.dueMicroseconds, $0.ordinal) < ($1.dueMicroseconds, $1.ordinal) }
    do throws(WorkerStop) {
      for timer in timers { try announce(timer, at: lane.status.position) }
      try commit(at: nil)
    } catch {
      try rollback()
      throw error
    }
    return true
  }

  /// Up to when another try of what was refused is due. One that lies further ahead than any wait is was set
  /// before somebody set the clock back: it is due.
  private func retryTime(_ now: Int64) throws(StoreError) -> Int64 {
    let longest = Int64(lane.saga.plan.retry.max / .microseconds(1))
    guard let next = try lane.store.nextTimer(.wall), next > now.addingSaturated(longest) else { return now }
    return next
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
      _ = try fire(at: record.position)
      if handled & 15 == 15, lane.surroundings.clock.monotonic > deadline { return record.position.next }
    }
    return next
  }

  /// Moves event time on to the record, and fires what that makes due. False when more is due than one pass
  /// takes: the record is for the next one.
  private func advance(to record: Record) throws(WorkerStop) -> Bool {
    var time = Int64.min
    switch record.envelope.kind {
    case .event: time = record.envelope.timeMicroseconds
    case .timer:
      if case .advanced(let until)? = TimerRecord(record, in: batch)?.event { time = until }
    default: break
    }
    if time > eventTime { eventTime = time }
    return try fire(at: record.position)
  }

  /// Whether all that is due was fired.
  private func fire(at position: Position) throws(WorkerStop) -> Bool {
    while true {
      let due: (timers: [SagaTimerRow], more: Bool)
      do throws(SagaStoreFault) { due = try instances.due(through: eventTime) } catch {
        throw lane.stop(error)
      }
      if due.timers.isEmpty { return !due.more }
      for timer in due.timers { try fire(timer, at: position) }
      fired += due.timers.count
      if due.more || fired >= Limits.sagaFiringsMax { return false }
    }
  }

  private func fire(_ timer: SagaTimerRow, at position: Position) throws(WorkerStop) {
    guard parked.find(timer.key, ByteRange(start: 0, count: timer.key.count), topic: SagaLane.place) == nil
    else { return try announce(timer, at: position) }
    var stage = SagaStage()
    let (record, bytes) = Self.record(of: timer, lane.saga.identityName, at: position)
    do throws(SagaFailure) {
      try turn(
        SagaItem(key: timer.key, input: .timer(timer.ordinal), record: record), in: bytes, &stage,
        at: SagaMoment(position, timer.dueMicroseconds))
    } catch {
      switch error {
      case .stop(let stop): throw stop
      case .script:
        // Met again as a record of the log, it is parked there as any other.
        try lane.renewProgramIfSpent()
        return try announce(timer, at: position)
      }
    }
    try put(stage)
    try write(.emit(TimerRecord.firing(timer, of: lane.saga.identityName, cause: position)))
    counts.emitted += 1
  }

  private func announce(_ timer: SagaTimerRow, at position: Position) throws(WorkerStop) {
    let found: SagaInstance?
    do throws(SagaStoreFault) { found = try instances.find(timer.key) } catch { throw lane.stop(error) }
    guard var instance = found,
      let index = instance.timers.firstIndex(where: { $0.ordinal == timer.ordinal })
    else { return }
    instance.timers[index].isAnnounced = true
    instances.put(instance, sent: [])
    try write(.emit(TimerRecord.firing(timer, of: lane.saga.identityName, cause: position)))
    counts.emitted += 1
  }

  /// The firing as a record, before it is in the log.
  private static func record(of timer: SagaTimerRow, _ saga: String, at position: Position)
    -> (Record, RecordBatch)
  {
    let firing = TimerRecord.firing(timer, of: saga, cause: position)
    let drafts = DraftBatch()
    firing.draft(topic: TopicID(0), into: drafts)
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
      if !parked.isEmpty, let index = parked.find(batch.bytes, record.envelope.key, topic: record.topic) {
        try hold(record, behind: index)
        return true
      }
    case .outcome, .timer:
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
    do throws(SagaFailure) { return try handle(record, isRetry: false) } catch {
      switch error {
      case .stop(let stop): throw stop
      case .script(let fault):
        try lane.renewProgramIfSpent()
        try park(fault, record)
        return true
      }
    }
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
  private func commit(at reached: Position?) throws(WorkerStop) {
    if counts.unknown > 0 { try write(.unknown(counts.unknown)) }
    for row in instances.rows { try write(.saga(row)) }
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
      do throws(StoreError) { try transaction.commit() } catch { throw lane.stop(error) }
      CrashPoint.reach(.afterCommit)
      self.transaction = nil
    }
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

  private func rollback() throws(WorkerStop) {
    guard let transaction else { return }
    self.transaction = nil
    do throws(StoreError) { try transaction.rollback() } catch { throw lane.stop(error) }
  }
}

import MoontideCore
import MoontideLua

/// Timers that fire: by event time before the record that moves it on; by the time of day where the record
/// of their firing is read.
extension SagaPass {
  /// Moves event time on to the record, and fires what that makes due. False when more is due than one pass
  /// takes: the record is for the next one.
  func advance(to record: Record) throws(WorkerStop) -> Bool {
    if let time = SagaLane.eventTime(of: record, in: batch), time > eventTime { eventTime = time }
    return try fire(at: record.position, before: record.position)
  }

  /// Whether all that is due was fired.
  /// - Parameters:
  ///   - position: the record that made it due.
  ///   - next: the first record that comes behind what fires.
  func fire(at position: Position, before next: Position) throws(WorkerStop) -> Bool {
    while fired < Limits.sagaFiringsMax {
      let due: SagaTimerRow?
      do throws(SagaStoreFault) { due = try instances.nextDue(through: eventTime) } catch {
        throw lane.stop(error)
      }
      guard let due else { return true }
      try fire(due, at: position, before: next)
      if halt != nil { return false }
      fired += 1
    }
    return false
  }

  private func fire(_ timer: SagaTimerRow, at position: Position, before next: Position) throws(WorkerStop) {
    if try isUnfit(timer.key) { return try announceUnread(timer, as: .waits(next), cause: position) }
    // One that fired before it may have stopped it, or moved it on.
    guard let set = try self.timer(timer.key, timer.ordinal) else { return }
    guard parkedIndex(timer.key) == nil else { return try announce(timer, as: .waits(next), cause: position) }
    do throws(SagaFailure) {
      try carryOut(timer, at: position)
    } catch {
      switch error {
      case .stop(let stop): throw stop
      case .script:
        try lane.renewProgramIfSpent()
        return try park(timer, at: position, before: next)
      }
    }
    // What was announced is in the log already, or on its way.
    if set.announcement == .none { try tell(timer, cause: position) }
  }

  /// Calls its function, and puts in what that makes.
  private func carryOut(_ timer: SagaTimerRow, at position: Position) throws(SagaFailure) {
    var stage = SagaStage()
    let firing = TimerRecord.firing(timer, of: lane.saga.identityName, cause: position)
    let (record, bytes) = Self.record(of: firing, at: position)
    try turn(
      SagaItem(key: timer.key, input: .timer(timer.ordinal), record: record), in: bytes, &stage,
      at: SagaMoment(position, timer.dueMicroseconds))
    do throws(WorkerStop) { try put(stage) } catch { throw .stop(error) }
  }

  /// The firing goes to the log before it fires.
  func announce(
    _ timer: SagaTimerRow, as announcement: TimerAnnouncement, cause: Position
  ) throws(WorkerStop) {
    if try isUnfit(timer.key) { return try announceUnread(timer, as: announcement, cause: cause) }
    guard let set = try self.timer(timer.key, timer.ordinal) else { return }
    try mark(timer.key, timer.ordinal, announcement)
    if set.announcement == .none { try tell(timer, cause: cause) }
  }

  /// The same for an instance that waits for its migration: it meets the firing behind that.
  private func announceUnread(
    _ timer: SagaTimerRow, as announcement: TimerAnnouncement, cause: Position
  ) throws(WorkerStop) {
    try write(.sagaChange(.announced(key: timer.key, ordinal: timer.ordinal, announcement)))
    if timer.announcement == .none { try tell(timer, cause: cause) }
  }

  private func tell(_ timer: SagaTimerRow, cause: Position) throws(WorkerStop) {
    try write(.emit(TimerRecord.firing(timer, of: lane.saga.identityName, cause: cause)))
    counts.emitted += 1
  }

  // MARK: Timers of parked instances

  /// Parks the instance of a timer whose function failed, before anything else reaches it. The record of the
  /// firing takes its place at the head of what waits as soon as it is read; there it is tried and told of.
  private func park(
    _ timer: SagaTimerRow, at position: Position, before next: Position
  ) throws(WorkerStop) {
    guard parked.entries.count < Limits.parkedKeysMax else {
      return stopFull("\(Limits.parkedKeysMax) instances are parked", next)
    }
    try announce(timer, as: .waits(next), cause: position)
    let key = ParkedKey(
      topic: .instances, key: timer.key, position: next, status: .awaiting, attempts: 0, dueMicroseconds: 0)
    try write(.parked(key))
    parked.add(key, topic: SagaLane.place, due: .zero)
  }

  /// The record of a firing that meets its parked instance. True when it is what is tried next; false: it
  /// waits its turn.
  func seat(_ record: Record, _ ordinal: UInt64, at index: Int) throws(WorkerStop) -> Bool {
    let key = parked.entries[index].key
    guard let timer = try timer(key.key, ordinal) else { return false }
    guard case .waits = timer.announcement else {
      try mark(key.key, ordinal, .waits(record.position))
      return false
    }
    guard key.status == .awaiting else { return false }
    let clock = lane.surroundings.clock
    parked.seat(index, at: record.position, nowMicroseconds: clock.now.microseconds, due: clock.monotonic)
    try write(.parked(parked.entries[index].key))
    return true
  }

  /// Fires the timers of a parked instance that come before a record which waits there.
  func fireWaiting(_ key: [UInt8], before record: Position) throws(SagaFailure) {
    var last: UInt64?
    while true {
      let found: SagaInstance?
      do throws(SagaStoreFault) { found = try instances.find(key) } catch { throw .stop(lane.stop(error)) }
      guard let instance = found else { return }
      let waiting = instance.timers.filter { timer in
        if case .waits(let position) = timer.announcement { return position <= record }
        return false
      }
      guard let timer = waiting.min(by: { ($0.due, $0.ordinal) < ($1.due, $1.ordinal) }) else { return }
      precondition(timer.ordinal != last, "the timer \(timer.ordinal) is still set after it fired")
      last = timer.ordinal
      failing = key
      failingTimer = timer.ordinal
      try carryOut(lane.code(of: instance).coding.row(timer, of: key), at: record)
      failingTimer = nil
    }
  }

  /// An instance goes on: its timers that are still on their way through the log need not wait for that.
  func release(_ key: [UInt8]) throws(WorkerStop) {
    guard var instance = try readable(key) else { return }
    var isChanged = false
    for index in instance.timers.indices {
      guard case .waits(let position) = instance.timers[index].announcement, position != Self.never else {
        continue
      }
      instance.timers[index].announcement = .byClock
      isChanged = true
    }
    if isChanged { instances.put(instance, sent: []) }
  }

  /// A firing that is skipped: its timer stays for who asks for the dead letter, and holds nothing up.
  func setAside(_ key: [UInt8], _ ordinal: UInt64) throws(WorkerStop) {
    if try timer(key, ordinal) != nil { try mark(key, ordinal, .waits(Self.never)) }
  }

  /// Behind every record.
  static let never = Position(UInt64(Int64.max - 2))

  func parkedIndex(_ key: [UInt8]) -> Int? {
    parked.find(key, ByteRange(start: 0, count: key.count), topic: SagaLane.place)
  }

  private func timer(_ key: [UInt8], _ ordinal: UInt64) throws(WorkerStop) -> SagaTimer? {
    try readable(key)?.timers.first { $0.ordinal == ordinal }
  }

  /// The instance; nil when there is none, or when it waits for its migration.
  private func readable(_ key: [UInt8]) throws(WorkerStop) -> SagaInstance? {
    do throws(SagaStoreFault) { return try instances.find(key) } catch {
      if case .misfit = error, lane.saga.migrates { return nil }
      throw lane.stop(error)
    }
  }

  /// Whether it waits for its migration.
  private func isUnfit(_ key: [UInt8]) throws(WorkerStop) -> Bool {
    guard lane.saga.migrates, parkedIndex(key) != nil else { return false }
    do throws(SagaStoreFault) { _ = try instances.find(key) } catch {
      if case .misfit = error { return true }
      throw lane.stop(error)
    }
    return false
  }

  func mark(
    _ key: [UInt8], _ ordinal: UInt64, _ announcement: TimerAnnouncement
  ) throws(WorkerStop) {
    guard var instance = try readable(key),
      let index = instance.timers.firstIndex(where: { $0.ordinal == ordinal })
    else { return }
    instance.timers[index].announcement = announcement
    instances.put(instance, sent: [])
  }
}

import MoontideCore
import MoontideLua

/// Records that fail: their instance is parked, later ones of it wait behind, it is tried again by policy.
extension SagaPass {
  /// The record waits behind its parked instance.
  func hold(_ record: Record, behind index: Int) throws(WorkerStop) {
    let key = parked.entries[index].key
    guard parked.entries[index].heldCount < Limits.heldPerKeyMax else {
      end = record.position
      // One that is going through what waits makes room by itself.
      if key.status == .retrying, key.attempts == 0 { return }
      return stopFull("\(Limits.heldPerKeyMax) records wait behind one parked instance", key.position)
    }
    try write(.held(topic: key.topic, key: key.key, position: record.position))
    parked.hold(record.position, at: index)
  }

  func stopFull(_ what: String, _ position: Position) {
    halt = Diagnostic(
      code: RuntimeCode.heldTooMany.rawValue, "\(lane.title) stopped: \(what), the bound",
      at: lane.definition.place,
      details: [
        .init(
          "help",
          "moontide dead show d-\(position.value)@\(lane.saga.name) · mend the script, then "
            + "moontide dead retry \(lane.saga.name)")
      ])
  }

  /// Does with a record that failed for the first time what the policy says.
  ///
  /// - Parameter place: what it is parked under; nil: as it was handled.
  func park(_ fault: LuaFault, _ record: Record, at place: TopicName? = nil) throws(WorkerStop) {
    guard parked.entries.count < Limits.parkedKeysMax else {
      end = record.position
      return stopFull("\(Limits.parkedKeysMax) instances are parked", record.position)
    }
    let topic = lane.selection.topics[Int(record.topic.value)].name
    // Without a correlation value it waits by the key of its event.
    let place = failing == nil ? topic : place ?? .instances
    let number = failing == nil ? record.topic : SagaLane.place
    let key = failing ?? Array(batch.bytes[record.envelope.key.indices])
    var plan = FailurePlan.decide(lane.definition, attempts: 1)
    // An instance that does not fit cannot go on.
    if plan == .deadAndGoOn, place == .migrations { plan = .deadAndHold }
    try tell(fault, record, key, plan, attempts: 1, held: 0)
    if plan == .halt { end = record.position.next }
    // Its firing is no longer on its way: it is what waits here.
    if let instance = failing, let timer = failingTimer {
      try mark(instance, timer, plan == .deadAndGoOn ? .waits(Self.never) : .waits(record.position))
    }
    if plan == .deadAndGoOn { return }
    let due = lane.due(afterAttempt: 1)
    let entry = ParkedKey(
      topic: place, key: key, position: record.position, status: plan == .park ? .retrying : .dead,
      attempts: 1, dueMicroseconds: due.microseconds)
    try write(.parked(entry))
    parked.add(entry, topic: number, due: due.monotonic)
  }

  /// Reports a failure, and keeps it as a dead letter where it is given up.
  private func tell(
    _ fault: LuaFault, _ record: Record, _ key: [UInt8], _ plan: FailurePlan, attempts: Int, held: Int
  ) throws(WorkerStop) {
    let topic = lane.selection.topics[Int(record.topic.value)].name
    let report = failingCode.report
    var diagnostic = report.failure(
      fault, record: record, in: batch, topic: topic, plan: plan,
      state: report.outcome(
        plan, attempts: attempts, key: String(decoding: key, as: UTF8.self), position: record.position,
        held: held))
    if plan == .park { diagnostic.severity = .warning }
    if plan != .park {
      var letter = report.deadLetter(fault, record: record, in: batch, topic: topic, attempts: attempts)
      letter.key = key
      try write(.dead(letter))
      dead += 1
    }
    if plan == .halt { halt = diagnostic } else { reports.append(diagnostic) }
  }

  // MARK: Again

  /// One try of a parked instance's first record.
  func again(_ index: Int) throws(WorkerStop) {
    let entry = parked.entries[index]
    do throws(LogError) {
      _ = try lane.log.read(from: entry.key.position, records: 1, bytes: 1, into: batch)
    } catch {
      throw .log(error, handler: lane.title)
    }
    // A repair of the log may have given it up: it is not published any more.
    guard let record = batch.records.first, record.position == entry.key.position else {
      return try moveOn(index)
    }
    let isMigration = try lane.isMigration(entry.key)
    failingCode = lane.code
    isAsked = entry.key.attempts >= lane.definition.retry.attempts
    defer { isAsked = false }
    do throws(SagaFailure) {
      let isOfInstance = entry.key.topic == .instances || entry.key.topic == .migrations
      if isOfInstance {
        failing = entry.key.key
        failingTimer = nil
        try migrate(entry.key.key)
      }
      // A firing waits in its own place.
      if isOfInstance, record.envelope.kind != .timer, !isMigration {
        try fireWaiting(entry.key.key, before: record.position)
      }
      if !isMigration { _ = try handle(record, inHand: index) }
    } catch {
      switch error {
      case .stop(let stop): throw stop
      case .script(let fault):
        try lane.renewProgramIfSpent()
        return try failed(fault, index, record)
      }
    }
    try moveOn(index)
  }

  func moveOn(_ index: Int) throws(WorkerStop) {
    let key = parked.entries[index].key
    let clock = lane.surroundings.clock
    if parked.moveOn(index, nowMicroseconds: clock.now.microseconds, due: clock.monotonic) {
      let next = parked.entries[index].key
      try write(.parked(next))
      try write(.released(topic: key.topic, key: key.key, position: next.position))
    } else {
      parked.remove(index)
      try write(.unparked(topic: key.topic, key: key.key))
      if key.topic == .instances || key.topic == .migrations { try release(key.key) }
    }
  }

  private func failed(_ fault: LuaFault, _ index: Int, _ record: Record) throws(WorkerStop) {
    var key = parked.entries[index].key
    key.attempts += 1
    var plan = FailurePlan.decide(lane.definition, attempts: key.attempts)
    if plan == .deadAndGoOn, try lane.isMigration(key) { plan = .deadAndHold }
    try tell(
      fault, record, key.key, plan, attempts: key.attempts, held: parked.entries[index].heldCount)
    if plan == .deadAndGoOn {
      if let instance = failing, let timer = failingTimer { try setAside(instance, timer) }
      return try moveOn(index)
    }
    let due = lane.due(afterAttempt: key.attempts)
    key.dueMicroseconds = due.microseconds
    key.status = plan == .park ? .retrying : .dead
    // It was parked by the key of its event, since nobody knew whose it is.
    if key.topic != .instances, let instance = failing, parkedIndex(instance) == nil {
      try moveOn(index)
      key.topic = .instances
      key.key = instance
      try write(.parked(key))
      return parked.add(key, topic: SagaLane.place, due: due.monotonic)
    }
    parked.update(index, to: key, due: due.monotonic)
    try write(.parked(key))
  }

  // MARK: What people decide

  /// Carries out a decision that the log does not have.
  func rehearse(_ decision: Decision) throws(WorkerStop) {
    do throws(WorkerStop) {
      try carryOut(decision)
      try commit(at: nil)
    } catch {
      try rollback()
      throw error
    }
  }

  /// Puts dead records back on their way; `again` tries them, in the order of their instance.
  func carryOut(_ decision: Decision) throws(WorkerStop) {
    for position in decision.positions {
      let code: String?
      do throws(StoreError) { code = try lane.store.deadCode(position) } catch { throw lane.stop(error) }
      if let index = parked.entries.firstIndex(where: {
        $0.key.position == position && $0.key.status != .awaiting
      }) {
        var key = parked.entries[index].key
        if key.status == .dead, code != nil { dead -= 1 }
        key.status = .retrying
        key.dueMicroseconds = lane.surroundings.clock.now.microseconds
        try write(.parked(key))
        parked.update(index, to: key, due: lane.surroundings.clock.monotonic)
      } else if let code {
        try revive(position, code, decision.action)
      }
    }
  }

  /// A dead letter that nothing waits behind.
  private func revive(
    _ position: Position, _ code: String, _ action: Decision.Action
  ) throws(WorkerStop) {
    // The record itself was handled, only what it emitted is dead.
    if code == RuntimeCode.outboxConflict.rawValue, action != .skip { return }
    try write(.revived(position))
    dead -= 1
    guard action != .skip else {
      if code != RuntimeCode.outboxConflict.rawValue { counts.skipped += 1 }
      return
    }
    let record = RecordBatch()
    do throws(LogError) { _ = try lane.log.read(from: position, records: 1, bytes: 1, into: record) } catch {
      throw .log(error, handler: lane.title)
    }
    guard let found = record.records.first, found.position == position else { return }
    let topic = lane.selection.topics[Int(found.topic.value)].name
    let bytes = Array(record.bytes[found.envelope.key.indices])
    if let index = parked.find(record.bytes, found.envelope.key, topic: found.topic) {
      try write(.held(topic: topic, key: bytes, position: position))
      return parked.hold(position, at: index)
    }
    let key = ParkedKey(
      topic: topic, key: bytes, position: position, status: .retrying,
      attempts: lane.definition.retry.attempts, dueMicroseconds: lane.surroundings.clock.now.microseconds)
    try write(.parked(key))
    parked.add(key, topic: found.topic, due: lane.surroundings.clock.monotonic)
  }
}

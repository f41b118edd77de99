import MoontideCore
import MoontideLua

/// One try of the first event of a parked key, in a transaction of its own. When it passes, the key moves
/// on to the next event that waits, and is unparked when none does.
struct RetryRun {
  let lane: HandlerLane
  /// Index into the lane's parked keys.
  let index: Int
  let batch: RecordBatch

  func run() throws(WorkerStop) {
    let key = lane.parked.entries[index].key
    do throws(LogError) {
      _ = try lane.log.read(from: key.position, records: 1, bytes: 1, into: batch)
    } catch {
      throw .log(error, handler: lane.title)
    }
    guard var record = batch.records.first, record.position == key.position else {
      throw .halt(
        Diagnostic(
          code: RuntimeCode.logBroken.rawValue,
          "\(lane.title) stopped: the log does not have \(key.position), which it is to try again",
          details: [.init("help", "moontide events verify · moontide doctor")]))
    }
    let route = lane.subscriptions.route(batch.bytes, record.envelope.type)
    guard lane.subscriptions.concerns(route, version: record.envelope.version),
      lane.rulings[key.position] != .skip
    else {
      return try moveOn(key, applied: 0, skipped: 1, in: try begin())
    }
    if case .correct(let data)? = lane.rulings[key.position] {
      record = HandlerLane.corrected(record, data, in: batch)
    }
    let transaction = try begin()
    lane.host.storeError = nil
    lane.host.transaction = transaction
    defer { lane.host.transaction = nil }
    let isApplied: Bool
    do throws(LuaFault) {
      isApplied = try lane.apply(record, route, in: batch)
    } catch {
      let storeError = lane.host.storeError
      do throws(StoreError) { try transaction.rollback() } catch { throw lane.stop(error) }
      if let storeError { throw lane.stop(storeError) }
      try lane.renewProgramIfSpent()
      return try failed(error, key, record)
    }
    let emitted = UInt64(lane.host.emitted)
    try moveOn(key, applied: isApplied ? 1 : 0, skipped: isApplied ? 0 : 1, in: transaction)
    lane.status.emitted += emitted
  }

  private func begin() throws(WorkerStop) -> any EffectTransaction {
    do throws(StoreError) { return try lane.store.begin(folding: false) } catch { throw lane.stop(error) }
  }

  /// The first event is done with: the next one that waits takes its place.
  private func moveOn(
    _ key: ParkedKey, applied: UInt64, skipped: UInt64, dead: DeadLetter? = nil,
    in transaction: any EffectTransaction
  ) throws(WorkerStop) {
    let next = lane.parked.following(index, nowMicroseconds: lane.surroundings.clock.now.microseconds)
    var entries: [EffectEntry] = applied + skipped > 0 ? [.count(applied: applied, skipped: skipped)] : []
    if let dead { entries.append(.dead(dead)) }
    if let next {
      entries.append(.parked(next))
      entries.append(.released(topic: key.topic, key: key.key, position: next.position))
    } else {
      entries.append(.unparked(topic: key.topic, key: key.key))
    }
    try commit(entries, in: transaction)
    if let next {
      lane.parked.moveOn(index, to: next, due: lane.surroundings.clock.monotonic)
    } else {
      lane.parked.remove(index)
    }
    lane.status.applied += applied
    lane.status.skipped += skipped
    if dead != nil { lane.status.dead += 1 }
  }

  private func failed(_ fault: LuaFault, _ key: ParkedKey, _ record: Record) throws(WorkerStop) {
    let attempts = key.attempts + 1
    let plan = FailurePlan.decide(lane.definition, attempts: attempts)
    let letter = lane.report.deadLetter(
      fault, record: record, in: batch, topic: key.topic, attempts: attempts)
    var diagnostic = lane.report.failure(
      fault, record: record, seen: lane.host.record, in: batch, topic: key.topic,
      plan: plan,
      state: lane.report.outcome(
        plan, attempts: attempts, key: String(decoding: key.key, as: UTF8.self), position: key.position,
        held: lane.parked.entries[index].heldCount))
    if plan == .park { diagnostic.severity = .warning }
    let due = lane.due(afterAttempt: attempts)
    var changed = key
    changed.attempts = attempts
    changed.dueMicroseconds = due.microseconds
    changed.status = plan == .deadAndHold ? .dead : .retrying
    switch plan {
    case .deadAndGoOn:
      try moveOn(key, applied: 0, skipped: 0, dead: letter, in: try begin())
    case .park, .setAside, .halt:
      lane.failedTries.append(.parked(changed))
      lane.parked.update(index, to: changed, due: due.monotonic)
      if plan == .halt {
        try RetryRun.settle(lane)
        throw .halt(diagnostic)
      }
    case .deadAndHold:
      lane.failedTries += [.dead(letter), .parked(changed)]
      lane.parked.update(index, to: changed, due: due.monotonic)
      lane.status.dead += 1
    }
    lane.surroundings.report(diagnostic)
  }

  /// Writes down what failed tries have left, at the end of a step.
  static func settle(_ lane: HandlerLane) throws(WorkerStop) {
    if lane.failedTries.isEmpty { return }
    do throws(StoreError) {
      let transaction = try lane.store.begin(folding: false)
      do throws(StoreError) {
        for entry in lane.failedTries { try transaction.write(entry) }
        try transaction.commit()
      } catch {
        try transaction.rollback()
        throw error
      }
    } catch {
      throw lane.stop(error)
    }
    lane.failedTries = []
  }

  private func commit(_ entries: [EffectEntry], in transaction: any EffectTransaction) throws(WorkerStop) {
    do throws(StoreError) {
      for entry in lane.failedTries + entries { try transaction.write(entry) }
      try transaction.commit()
      lane.failedTries = []
    } catch {
      do throws(StoreError) { try transaction.rollback() } catch { throw lane.stop(error) }
      throw lane.stop(error)
    }
  }
}

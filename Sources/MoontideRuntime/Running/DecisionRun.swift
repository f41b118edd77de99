import MoontideCore

/// Carries out what a person decided about dead letters of a consumer, at the decision's place in the log and
/// in the transaction that moves the checkpoint past it: so it happens once, whenever the process dies.
///
/// It only puts events back on their way: `RetryRun` tries them, in the order of their key.
struct DecisionRun {
  let lane: HandlerLane
  let decision: Decision
  /// What must be written with the checkpoint.
  private(set) var entries: [EffectEntry] = []
  private(set) var parked: ParkedKeys
  /// By how much the count of dead letters changes.
  private(set) var dead = 0
  private(set) var skipped: UInt64 = 0

  init(_ decision: Decision, lane: HandlerLane, parked: ParkedKeys) {
    self.decision = decision
    self.lane = lane
    self.parked = parked
  }

  mutating func run() throws(WorkerStop) {
    let codes = try ledgerCodes()
    var places: [Position: Int] = [:]
    for (index, entry) in parked.entries.enumerated() { places[entry.key.position] = index }
    for position in decision.positions {
      if let index = places[position] {
        wake(index, isDead: codes[position] != nil)
      } else if let code = codes[position] {
        try revive(position, code: code)
      }
    }
  }

  private func ledgerCodes() throws(WorkerStop) -> [Position: String] {
    do throws(StoreError) { return try lane.store.ledger().deadCodes } catch { throw lane.stop(error) }
  }

  /// The key's first event is tried now; a ruling that it is to be skipped is followed there.
  private mutating func wake(_ index: Int, isDead: Bool) {
    var key = parked.entries[index].key
    // The store forgets the dead letter of a key that is tried again.
    if key.status == .dead, isDead { dead -= 1 }
    key.status = .retrying
    key.dueMicroseconds = lane.surroundings.clock.now.microseconds
    entries.append(.parked(key))
    parked.update(index, to: key, due: lane.surroundings.clock.monotonic)
  }

  /// A dead letter that nothing waits behind: the handler skips what fails, or could not relay what it
  /// emitted.
  private mutating func revive(_ position: Position, code: String) throws(WorkerStop) {
    let batch = RecordBatch()
    do throws(LogError) {
      _ = try lane.log.read(from: position, records: 1, bytes: 1, into: batch)
    } catch {
      throw .log(error, handler: lane.title)
    }
    guard let record = batch.records.first, record.position == position, lane.owns(record) else { return }
    // The event itself was applied, only what it emitted is dead: applying it again would do the rest twice.
    if code == RuntimeCode.outboxConflict.rawValue {
      if decision.action == .skip {
        entries.append(.revived(position))
        dead -= 1
      }
      return
    }
    entries.append(.revived(position))
    dead -= 1
    if decision.action == .skip {
      skipped += 1
      return
    }
    park(record, in: batch)
  }

  /// The event takes its turn in its key again: at once, or behind what is being tried.
  private mutating func park(_ record: Record, in batch: RecordBatch) {
    let topic = lane.selection.topics[Int(record.topic.value)].name
    let bytes = Array(batch.bytes[record.envelope.key.indices])
    if let index = parked.find(batch.bytes, record.envelope.key, topic: record.topic) {
      entries.append(.held(topic: topic, key: bytes, position: record.position))
      parked.hold(record.position, at: index)
      return
    }
    let key = ParkedKey(
      topic: topic, key: bytes, position: record.position, status: .retrying,
      attempts: lane.definition.retry.attempts,
      dueMicroseconds: lane.surroundings.clock.now.microseconds)
    entries.append(.parked(key))
    parked.add(key, topic: record.topic, due: lane.surroundings.clock.monotonic)
  }
}

import MoontideCore

/// Carries out what a person decided about dead letters of a consumer, at the decision's place in the log and
/// in the transaction that moves the checkpoint past it: so it happens once, whenever the process dies.
///
/// It only puts events back on their way: `RetryRun` tries them, in the order of their key.
struct DecisionRun {
  let lane: HandlerLane
  let decision: Decision
  /// Where it stands in the log; nil: behind everything.
  private let place: Position?
  /// What must be written with the checkpoint.
  private(set) var entries: [EffectEntry] = []
  private(set) var parked: ParkedKeys
  /// By how much the count of dead letters changes.
  private(set) var dead = 0
  private(set) var skipped: UInt64 = 0

  init(_ decision: Decision, at place: Position?, lane: HandlerLane, parked: ParkedKeys) {
    self.decision = decision
    self.place = place
    self.lane = lane
    self.parked = parked
  }

  mutating func run() throws(WorkerStop) {
    let wanted = Set(decision.positions)
    var places: [Position: Int] = [:]
    for (index, entry) in parked.entries.enumerated() where wanted.contains(entry.key.position) {
      places[entry.key.position] = index
    }
    for position in decision.positions {
      let code = try deadCode(position)
      if let index = places[position] {
        if !isCarriedOut(position) { wake(index, isDead: code != nil) }
      } else if let code {
        try revive(position, code: code)
      }
    }
  }

  private func deadCode(_ position: Position) throws(WorkerStop) -> String? {
    do throws(StoreError) { return try lane.store.deadCode(position) } catch { throw lane.stop(error) }
  }

  /// Whether the lane did so at its start.
  private func isCarriedOut(_ position: Position) -> Bool {
    guard let place, place < lane.called.below else { return false }
    return lane.called.positions.contains(position)
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
    guard let stored = batch.records.first, stored.position == position else { return }
    let record = lane.placed(stored, in: batch)
    guard lane.owns(record) else { return }
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

import MoontideCore

/// Snapshots among which is now and then one of a tail that the log lost: a state that came to be at another
/// place than the log has for its version. A cache is never trusted over the log. With a planted bug also
/// what else a cache could do wrong.
final class LostTailSnapshots: SnapshotStore {
  private let store: any SnapshotStore
  private let bug: PlantedBug?
  private let numbers: SeededNumbers
  private let log: any EventLog
  /// The state of each stream that was kept last.
  private var states: [[UInt8]: [UInt8]] = [:]

  init(
    _ store: any SnapshotStore, of log: any EventLog, _ bug: PlantedBug?, _ numbers: SeededNumbers
  ) {
    self.store = store
    self.log = log
    self.bug = bug
    self.numbers = numbers
  }

  func snapshot(topic: TopicName, key: [UInt8]) throws(StoreError) -> StreamSnapshot? {
    guard var kept = try store.snapshot(topic: topic, key: key) else { return nil }
    if numbers.chance(0.2) {
      // With the bug nobody sees that the log has another event there.
      if bug != .snapshotIsTrustedOverTheLog { forge(&kept) }
      kept.state = Self.strange
    }
    return kept
  }

  /// Of another place, or of another event at the same place.
  private func forge(_ kept: inout StreamSnapshot) {
    if numbers.chance(0.5) {
      kept.position = kept.position.next
    } else {
      kept.fingerprint = kept.fingerprint.adding(1)
    }
  }

  /// A table without a field, as `StateCodec` has it: the script would fail on it.
  private static let strange: [UInt8] = [1, 7, 0]

  func keep(_ snapshots: [StreamSnapshot], reached: LogMark?) throws(StoreError) {
    var kept = snapshots
    if bug == .snapshotHasAnOldState {
      for index in kept.indices {
        kept[index].state = states[kept[index].key] ?? kept[index].state
        states[kept[index].key] = snapshots[index].state
      }
    }
    try store.keep(kept, reached: reached)
  }

  func reached() throws(StoreError) -> LogMark? {
    guard let mark = try store.reached(), bug == .commandsReachedIsAhead else { return try store.reached() }
    let batch = RecordBatch()
    let last = Position(min(mark.position.value + 6, log.durableEnd.value) - 1)
    do throws(LogError) {
      _ = try log.read(from: last, records: 1, bytes: 1, into: batch)
    } catch { return mark }
    guard let record = batch.records.first, record.position == last else { return mark }
    return LogMark(position: last.next, fingerprint: record.fingerprint(in: batch.bytes))
  }
}

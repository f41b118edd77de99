import MoontideCore

/// Snapshots among which is now and then one of a tail that the log lost: a state that came to be at another
/// place than the log has for its version. A cache is never trusted over the log. With a planted bug also
/// what else a cache could do wrong.
final class LostTailSnapshots: SnapshotStore {
  private let store: any SnapshotStore
  private let bug: PlantedBug?
  private let numbers: SeededNumbers
  /// The state of each stream that was kept last.
  private var states: [[UInt8]: [UInt8]] = [:]
  /// Where the last snapshot that was given out says that its event lies.
  private(set) var claimed: Position?

  init(_ store: any SnapshotStore, _ bug: PlantedBug?, _ numbers: SeededNumbers) {
    self.store = store
    self.bug = bug
    self.numbers = numbers
  }

  func snapshot(topic: TopicName, key: [UInt8]) throws(StoreError) -> StreamSnapshot? {
    guard var kept = try store.snapshot(topic: topic, key: key) else { return nil }
    if numbers.chance(0.2) {
      kept.position = kept.position.next
      kept.state = Self.strange
    }
    claimed = kept.position
    return kept
  }

  /// A table without a field, as `StateCodec` has it: the script would fail on it.
  private static let strange: [UInt8] = [1, 7, 0]

  func keep(_ snapshots: [StreamSnapshot], reached: Position) throws(StoreError) {
    var kept = snapshots
    if bug == .snapshotHasAnOldState {
      for index in kept.indices {
        kept[index].state = states[kept[index].key] ?? kept[index].state
        states[kept[index].key] = snapshots[index].state
      }
    }
    try store.keep(kept, reached: bug == .commandsReachedIsAhead ? Position(reached.value + 6) : reached)
  }

  func reached() throws(StoreError) -> Position? { try store.reached() }
}

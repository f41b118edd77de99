import MoontideCore

/// Which timer of event time is due next, while a pass changes instances: those of the file are read ahead as
/// far as is needed, and count as long as their instance is unchanged; those of changed ones wait in a heap.
/// The order is that of `due`, then of the correlation value, then of the ordinal. Each is given once.
struct DueTimers {
  enum Due {
    /// As the file has it.
    case kept(SagaTimerRow)
    /// Of a changed instance.
    case set([UInt8], ordinal: UInt64)
  }

  private struct Entry {
    var due: Int64
    var key: [UInt8]
    var ordinal: UInt64

    static func < (a: Entry, b: Entry) -> Bool {
      if a.due != b.due { return a.due < b.due }
      if a.key != b.key { return a.key.lexicographicallyPrecedes(b.key) }
      return a.ordinal < b.ordinal
    }
  }

  private let store: any SagaStore
  /// A binary heap, least first; some are not set any more.
  private var set: [Entry] = []
  /// Read from the file, in order; those before `at` are done with.
  private var kept: [SagaTimerRow] = []
  private var at = 0
  private var page = 8
  private var isAtEnd: Bool
  /// Nothing is due before.
  private var least: Int64

  init(_ store: any SagaStore) throws(StoreError) {
    self.store = store
    least = try store.nextTimer(.event) ?? .max
    isAtEnd = least == .max
  }

  /// An instance has changed.
  /// - Parameter before: as it was when it changed last in this pass.
  mutating func note(_ instance: SagaInstance, before: SagaInstance?) {
    for timer in instance.timers where timer.isOfEventTime {
      if let before, before.timers.contains(timer) { continue }
      push(Entry(due: timer.due, key: instance.key, ordinal: timer.ordinal))
      least = min(least, timer.due)
    }
  }

  /// The next timer that is due at the instant or before.
  /// - Parameter changed: the instances that `note` was told of, as they are now.
  mutating func next(
    through microseconds: Int64, _ changed: [ByteKey: SagaInstance]
  ) throws(StoreError) -> Due? {
    if microseconds < least { return nil }
    let row = try nextKept(changed)
    let entry = nextSet(changed)
    let keptEntry = row.map { Entry(due: $0.dueMicroseconds, key: $0.key, ordinal: $0.ordinal) }
    least = min(keptEntry?.due ?? .max, entry?.due ?? .max)
    if microseconds < least { return nil }
    if let row, let keptEntry, entry.map({ keptEntry < $0 }) ?? true {
      at += 1
      return .kept(row)
    }
    guard let entry else { return nil }
    pop()
    return .set(entry.key, ordinal: entry.ordinal)
  }

  /// The first one of the file whose instance is unchanged.
  private mutating func nextKept(_ changed: [ByteKey: SagaInstance]) throws(StoreError) -> SagaTimerRow? {
    while true {
      while at < kept.count {
        if changed[ByteKey(kept[at].key)] == nil { return kept[at] }
        at += 1
      }
      if isAtEnd { return nil }
      kept = try store.timers(after: kept.last, limit: page)
      at = 0
      isAtEnd = kept.count < page
      page = min(page * 2, Limits.readRecordsMax)
    }
  }

  /// The first one of changed instances that is still set.
  private mutating func nextSet(_ changed: [ByteKey: SagaInstance]) -> Entry? {
    while let first = set.first {
      let isSet = changed[ByteKey(first.key)]?.timers.contains {
        $0.ordinal == first.ordinal && $0.isOfEventTime
      }
      if isSet == true { return first }
      pop()
    }
    return nil
  }

  // MARK: The heap

  private mutating func push(_ entry: Entry) {
    set.append(entry)
    var at = set.count - 1
    while at > 0, set[at] < set[(at - 1) / 2] {
      set.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }

  private mutating func pop() {
    set.swapAt(0, set.count - 1)
    set.removeLast()
    var at = 0
    while true {
      var least = at
      for child in [2 * at + 1, 2 * at + 2] where child < set.count && set[child] < set[least] {
        least = child
      }
      if least == at { return }
      set.swapAt(at, least)
      at = least
    }
  }
}

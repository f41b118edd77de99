import MoontideCore

/// The parked keys of one lane. A value: a batch works on a copy and puts it in place after its commit.
struct ParkedKeys: Sendable {
  struct Entry: Sendable {
    /// Without `held`, which is kept apart so that moving on does not copy it.
    var key: ParkedKey
    /// The log's number of the key's topic.
    var topic: TopicID
    /// When the next try is due on the monotonic clock, which the time of day cannot move.
    var due: Duration
    fileprivate var waiting: [Position]
    /// How many of `waiting` are done with.
    fileprivate var done = 0

    var heldCount: Int { waiting.count - done }
    /// The first event that waits behind the failed one.
    var next: Position? { done < waiting.count ? waiting[done] : nil }
  }

  private(set) var entries: [Entry] = []
  private var table = ByteTable()

  var isEmpty: Bool { entries.isEmpty }

  /// The index of the key, or nil when it is not parked. `topic` is the log's number.
  func find(_ bytes: [UInt8], _ key: ByteRange, topic: TopicID) -> Int? {
    table.find(bytes, key, salt: UInt32(topic.value)).flatMap { $0 < 0 ? nil : $0 }
  }

  mutating func add(_ key: ParkedKey, topic: TopicID, due: Duration) {
    var bare = key
    bare.held = []
    entries.append(Entry(key: bare, topic: topic, due: due, waiting: key.held))
    index(entries.count - 1)
  }

  private mutating func index(_ index: Int) {
    table.set(entries[index].key.key, salt: UInt32(entries[index].topic.value), value: index)
  }

  mutating func hold(_ position: Position, at index: Int) { entries[index].waiting.append(position) }

  /// The first event was tried again: how it stands now.
  mutating func update(_ index: Int, to key: ParkedKey, due: Duration) {
    precondition(key.position == entries[index].key.position, "an update keeps the event")
    entries[index].key = key
    entries[index].due = due
  }

  /// The key as it is after its first event passed or was given up: at the next one that waits.
  func following(_ index: Int, nowMicroseconds: Int64) -> ParkedKey? {
    guard let next = entries[index].next else { return nil }
    var key = entries[index].key
    key.position = next
    key.attempts = 0
    key.status = .retrying
    key.dueMicroseconds = nowMicroseconds
    return key
  }

  /// Puts the key on what `following` said.
  mutating func moveOn(_ index: Int, to key: ParkedKey, due: Duration) {
    precondition(key.position == entries[index].next, "a key moves on to its next event")
    entries[index].key = key
    entries[index].due = due
    entries[index].done += 1
    if entries[index].done >= 1_024, entries[index].done * 2 > entries[index].waiting.count {
      entries[index].waiting.removeFirst(entries[index].done)
      entries[index].done = 0
    }
  }

  /// The last entry takes its index. A key that is gone stays in the table as -1, until those are many.
  mutating func remove(_ index: Int) {
    let gone = entries[index]
    let last = entries.removeLast()
    if index < entries.count {
      entries[index] = last
      self.index(index)
    }
    table.set(gone.key.key, salt: UInt32(gone.topic.value), value: -1)
    if table.count > 1_024, table.count > entries.count * 4 {
      table = ByteTable()
      for index in entries.indices { self.index(index) }
    }
  }

  /// Of the keys that are due, the one with the oldest event.
  func next(at now: Duration) -> Int? {
    var best: Int?
    for index in entries.indices where entries[index].key.status == .retrying && entries[index].due <= now {
      if best.map({ entries[index].key.position < entries[$0].key.position }) ?? true { best = index }
    }
    return best
  }

  /// How long until the next try, or nil when none is waiting.
  func wait(from now: Duration) -> Duration? {
    var least: Duration?
    for entry in entries where entry.key.status == .retrying {
      least = min(least ?? entry.due, entry.due)
    }
    return least.map { max(.zero, $0 - now) }
  }

  /// Keys that are still tried in the background.
  var retrying: Int { entries.count { $0.key.status == .retrying } }

  /// Events not applied yet: those being retried and all that wait. A dead one is a dead letter instead.
  var held: Int { entries.reduce(0) { $0 + $1.heldCount + ($1.key.status == .retrying ? 1 : 0) } }
}

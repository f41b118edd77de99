import MoontideCore

/// The parked keys of one lane. A value: a batch works on a copy and puts it in place after its commit.
struct ParkedKeys: Sendable {
  struct Entry: Sendable {
    /// Without `held`, which is kept apart so that moving on does not copy it.
    fileprivate(set) var key: ParkedKey
    /// The log's number of the key's topic.
    let topic: TopicID
    /// When the next try is due on the monotonic clock, which the time of day cannot move.
    fileprivate(set) var due: Duration
    fileprivate var waiting: [Position]
    /// How many of `waiting` are done with.
    fileprivate var done = 0

    var heldCount: Int { waiting.count - done }
    /// The first event that waits behind the failed one.
    var next: Position? { done < waiting.count ? waiting[done] : nil }
    fileprivate var isRetrying: Bool { key.status == .retrying }
  }

  private(set) var entries: [Entry] = []
  private var table = ByteTable()
  private var dues = DueKeys()
  /// Keys that are still tried in the background.
  private(set) var retrying = 0
  /// Keys whose failed record is still on its way through the log.
  private(set) var awaiting = 0
  /// Events that wait behind the first ones.
  private var waiting = 0

  var isEmpty: Bool { entries.isEmpty }

  /// Events not applied yet: those being retried and all that wait. A dead one is a dead letter instead.
  var held: Int { waiting + retrying }

  /// The index of the key, or nil when it is not parked. `topic` is the log's number.
  func find(_ bytes: [UInt8], _ key: ByteRange, topic: TopicID) -> Int? {
    table.find(bytes, key, salt: UInt32(topic.value)).flatMap { $0 < 0 ? nil : $0 }
  }

  mutating func add(_ key: ParkedKey, topic: TopicID, due: Duration) {
    var bare = key
    bare.held = []
    entries.append(Entry(key: bare, topic: topic, due: due, waiting: key.held))
    waiting += key.held.count
    if key.status == .retrying { retrying += 1 }
    if key.status == .awaiting { awaiting += 1 }
    index(entries.count - 1)
    hint(entries.count - 1)
  }

  private mutating func index(_ index: Int) {
    table.set(entries[index].key.key, salt: UInt32(entries[index].topic.value), value: index)
  }

  /// In order of position among those that wait: it may have waited elsewhere before.
  mutating func hold(_ position: Position, at index: Int) {
    var place = entries[index].waiting.count
    while place > entries[index].done, entries[index].waiting[place - 1] > position { place -= 1 }
    entries[index].waiting.insert(position, at: place)
    waiting += 1
  }

  /// What an awaiting key waited for has come: it is due now, before all that waits.
  mutating func seat(_ index: Int, at position: Position, nowMicroseconds: Int64, due: Duration) {
    var key = entries[index].key
    precondition(key.status == .awaiting, "only a key that awaits its record is seated")
    key.position = position
    key.status = .retrying
    key.dueMicroseconds = nowMicroseconds
    set(index, to: key, due: due)
  }

  /// The first event was tried again: how it stands now.
  mutating func update(_ index: Int, to key: ParkedKey, due: Duration) {
    precondition(key.position == entries[index].key.position, "an update keeps the event")
    set(index, to: key, due: due)
  }

  private mutating func set(_ index: Int, to key: ParkedKey, due: Duration) {
    retrying += (key.status == .retrying ? 1 : 0) - (entries[index].isRetrying ? 1 : 0)
    awaiting += (key.status == .awaiting ? 1 : 0) - (entries[index].key.status == .awaiting ? 1 : 0)
    entries[index].key = key
    entries[index].due = due
    hint(index)
  }

  /// Puts the key on the next event that waits, which is due now; false when none does.
  mutating func moveOn(_ index: Int, nowMicroseconds: Int64, due: Duration) -> Bool {
    guard let next = entries[index].next else { return false }
    var key = entries[index].key
    key.position = next
    key.attempts = 0
    key.status = .retrying
    key.dueMicroseconds = nowMicroseconds
    entries[index].done += 1
    waiting -= 1
    if entries[index].done >= 1_024, entries[index].done * 2 > entries[index].waiting.count {
      entries[index].waiting.removeFirst(entries[index].done)
      entries[index].done = 0
    }
    set(index, to: key, due: due)
    return true
  }

  /// The last entry takes its index. A key that is gone stays in the table as -1, until those are many.
  mutating func remove(_ index: Int) {
    let gone = entries[index]
    waiting -= gone.heldCount
    if gone.isRetrying { retrying -= 1 }
    if gone.key.status == .awaiting { awaiting -= 1 }
    let last = entries.removeLast()
    if index < entries.count {
      entries[index] = last
      self.index(index)
      hint(index)
    }
    table.set(gone.key.key, salt: UInt32(gone.topic.value), value: -1)
    if table.count > 1_024, table.count > entries.count * 4 {
      table = ByteTable()
      for index in entries.indices { self.index(index) }
    }
  }

  // MARK: When

  /// Of the keys that are due, the one with the oldest event.
  mutating func next(at now: Duration) -> Int? {
    dues.next(at: now) { [entries] in ParkedKeys.stands($0, entries) }?.index
  }

  /// How long until the next try, or nil when none is waiting.
  mutating func wait(from now: Duration) -> Duration? {
    dues.first { [entries] in ParkedKeys.stands($0, entries) }.map { max(.zero, $0 - now) }
  }

  private static func stands(_ hint: DueKeys.Hint, _ entries: [Entry]) -> Bool {
    guard hint.index < entries.count else { return false }
    return entries[hint.index].isRetrying && entries[hint.index].due == hint.due
      && entries[hint.index].key.position == hint.position
  }

  private mutating func hint(_ index: Int) {
    guard entries[index].isRetrying else { return }
    // Most of them are hints that stand no more.
    if dues.count > 64 + 4 * entries.count {
      dues.removeAll()
      for other in entries.indices where entries[other].isRetrying && other != index { add(other) }
    }
    add(index)
  }

  private mutating func add(_ index: Int) {
    dues.add(.init(due: entries[index].due, position: entries[index].key.position, index: index))
  }
}

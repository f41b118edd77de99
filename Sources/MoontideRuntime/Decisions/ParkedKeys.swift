import MoontideCore

/// The parked keys of one lane. A value: a batch works on a copy and puts it in place after its commit.
struct ParkedKeys: Sendable {
  private(set) var keys: [ParkedKey] = []
  /// When each key is due on the monotonic clock, which the time of day cannot move.
  private var due: [Duration] = []
  private var table = ByteTable()

  var isEmpty: Bool { keys.isEmpty }

  /// The index of the key, or nil when it is not parked. `topic` is the log's number.
  func find(_ bytes: [UInt8], _ key: ByteRange, topic: TopicID) -> Int? {
    table.find(bytes, key, salt: UInt32(topic.value))
  }

  mutating func add(_ key: ParkedKey, topic: TopicID, due: Duration) {
    let range = ByteRange(start: 0, count: key.key.count)
    table.insert(key.key, range, salt: UInt32(topic.value), value: keys.count)
    keys.append(key)
    self.due.append(due)
  }

  mutating func hold(_ position: Position, at index: Int) { keys[index].held.append(position) }

  mutating func replace(_ index: Int, with key: ParkedKey, due: Duration) {
    keys[index] = key
    self.due[index] = due
  }

  /// - Parameter topic: the log's number of a topic.
  mutating func remove(_ index: Int, topic: (TopicName) -> TopicID?) {
    keys.remove(at: index)
    due.remove(at: index)
    table = ByteTable()
    for (index, key) in keys.enumerated() {
      guard let id = topic(key.topic) else { continue }
      table.insert(key.key, ByteRange(start: 0, count: key.key.count), salt: UInt32(id.value), value: index)
    }
  }

  /// The key that is due first, by the oldest event among those due.
  func next(at now: Duration) -> Int? {
    var best: Int?
    for index in keys.indices where keys[index].status == .retrying && due[index] <= now {
      if best.map({ keys[index].position < keys[$0].position }) ?? true { best = index }
    }
    return best
  }

  /// How long until the next try, or nil when none is waiting.
  func wait(from now: Duration) -> Duration? {
    keys.indices.filter { keys[$0].status == .retrying }.map { max(.zero, due[$0] - now) }.min()
  }

  /// Keys that are still tried in the background.
  var retrying: Int { keys.count { $0.status == .retrying } }

  /// Events not applied yet: those being retried and all that wait. A dead one is a dead letter instead.
  var held: Int { keys.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) } }

  /// The key after its first event passed or was given up: at the next one that waits, or nil when none does.
  static func after(_ key: ParkedKey, nowMicroseconds: Int64) -> ParkedKey? {
    guard let next = key.held.first else { return nil }
    var rest = key
    rest.position = next
    rest.held.removeFirst()
    rest.attempts = 0
    rest.status = .retrying
    rest.dueMicroseconds = nowMicroseconds
    return rest
  }
}

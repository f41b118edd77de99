import MoontideCore

/// Which effect of a handler is next: one of each key at a time, in the order in which they were recorded; of
/// keys whose first one is due the one that has been due longest. Times are of the monotonic clock.
struct EffectQueue {
  /// Topic and key of the cause.
  struct Place: Hashable {
    var topic: TopicName
    var key: [UInt8]
  }

  struct Entry {
    var sequence: UInt64
    var place: Place
    var target: String
    /// Tries that are over, since this process began.
    var tries = 0
    /// When it may be tried.
    var due: Duration
  }

  private struct Head {
    var at: Duration
    var sequence: UInt64
    var place: Place

    static func < (a: Head, b: Head) -> Bool { (a.at, a.sequence) < (b.at, b.sequence) }
  }

  /// The effects of one key. Those before `first` ended: taking them out one by one would move all others.
  private struct Line {
    private var entries: [Entry] = []
    private var first = 0

    var head: Entry? {
      get { first < entries.count ? entries[first] : nil }
      set { if let newValue { entries[first] = newValue } }
    }
    var count: Int { entries.count - first }

    mutating func add(_ entry: Entry) { entries.append(entry) }

    mutating func removeHead() {
      first += 1
      if first > 64, first * 2 > entries.count {
        entries.removeSubrange(..<first)
        first = 0
      }
    }
  }

  private var waiting: [Place: Line] = [:]
  /// A binary heap, least first: the first effect of each key but of those that are in hand.
  private var heads: [Head] = []
  private(set) var count = 0

  /// Behind all of its key.
  mutating func add(_ entry: Entry) {
    count += 1
    waiting[entry.place, default: Line()].add(entry)
    if waiting[entry.place]?.count == 1 {
      push(Head(at: entry.due, sequence: entry.sequence, place: entry.place))
    }
  }

  /// Takes the next one that is due; it is in hand, and its key waits, until `later` or `ended`.
  mutating func next(at now: Duration) -> Entry? {
    guard let first = heads.first, first.at <= now else { return nil }
    pop()
    guard let entry = waiting[first.place]?.head, entry.sequence == first.sequence else {
      preconditionFailure("effect \(first.sequence) is not the first of its key")
    }
    return entry
  }

  /// The one in hand of that key is to be looked at again; after a try that failed its due time is given.
  mutating func later(_ place: Place, at: Duration, due: Duration? = nil) {
    guard var entry = waiting[place]?.head else { preconditionFailure("nothing of that key is in hand") }
    if let due {
      entry.due = due
      entry.tries += 1
      waiting[place]?.head = entry
    }
    push(Head(at: at, sequence: entry.sequence, place: place))
  }

  /// The one in hand of that key is done with: the next one of the key follows.
  mutating func ended(_ place: Place) {
    precondition(waiting[place]?.head != nil, "nothing of that key is in hand")
    count -= 1
    waiting[place]?.removeHead()
    if let next = waiting[place]?.head {
      push(Head(at: next.due, sequence: next.sequence, place: place))
    } else {
      waiting.removeValue(forKey: place)
    }
  }

  /// How long until something is due; nil when nothing waits.
  func wait(from now: Duration) -> Duration? { heads.first.map { max(.zero, $0.at - now) } }

  // MARK: The heap

  private mutating func push(_ head: Head) {
    heads.append(head)
    var at = heads.count - 1
    while at > 0, heads[at] < heads[(at - 1) / 2] {
      heads.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }

  private mutating func pop() {
    heads.swapAt(0, heads.count - 1)
    heads.removeLast()
    var at = 0
    while true {
      var least = at
      for child in [2 * at + 1, 2 * at + 2] where child < heads.count && heads[child] < heads[least] {
        least = child
      }
      if least == at { return }
      heads.swapAt(at, least)
      at = least
    }
  }
}

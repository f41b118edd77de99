/// What is known of a log's events without reading them: how many there are of each topic and type, and in
/// which stretches of positions some may lie. Derived from the log; speaks of what lies before `end`.
public protocol EventOutline {
  /// Exclusive; nothing is known of what lies at or after it.
  var end: Position { get }
  /// Events of each topic and type, each pair once. Nil when the log has more types than an outline tells
  /// apart.
  var tallies: [EventTally]? { get }
  /// The sources of events, each once; nil when there are more than an outline keeps.
  var sources: [[UInt8]]? { get }
  /// The next positions at or after `start` among which there may be events of the question: from the first
  /// such one on, about `countMax` of them. Empty and at or after `end` when there are none before it.
  func next(from start: Position, countMax: Int, of question: EventQuestion) -> Range<Position>
  /// The same backwards: the last positions before `start`. Empty when there are none.
  func last(before start: Position, countMax: Int, of question: EventQuestion) -> Range<Position>
}

/// How many events of one type a topic has.
public struct EventTally: Sendable, Hashable {
  public var topic: TopicID
  public var type: [UInt8]
  public var count: Int
  public init(topic: TopicID, type: [UInt8], count: Int) {
    self.topic = topic
    self.type = type
    self.count = count
  }
}

/// Which events are asked for: those that all conditions hold of.
public struct EventQuestion: Sendable, Hashable {
  /// Nil: any.
  public var topic: TopicID?
  /// Nil: any.
  public var type: [UInt8]?
  /// Of their time, microseconds since 1970, both included.
  public var earliest: Int64
  public var latest: Int64

  public init(
    topic: TopicID? = nil, type: [UInt8]? = nil, earliest: Int64 = .min, latest: Int64 = .max
  ) {
    self.topic = topic
    self.type = type
    self.earliest = earliest
    self.latest = latest
  }

  /// Whether it is not just about all events.
  public var isNarrow: Bool { topic != nil || type != nil || earliest > .min || latest < .max }
}

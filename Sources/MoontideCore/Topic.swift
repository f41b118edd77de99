/// The name of a topic: 1 to 64 characters of `A-Z a-z 0-9 . _ -`; names that begin with `_` are the
/// runtime's own and hold no events.
public struct TopicName: Hashable, Comparable, Sendable, CustomStringConvertible {
  public let text: String

  /// Nil when `text` breaks the rule above.
  public init?(_ text: String) {
    guard (1...Limits.topicNameBytesMax).contains(text.utf8.count), text != ".", text != "..",
      text.utf8.allSatisfy({ byte in
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "-"):
          true
        default: false
        }
      })
    else { return nil }
    self.text = text
  }

  /// The topic of files that lie directly under `events/`.
  public static let events = TopicName("events")!
  /// Where lines that could not be taken as events are kept.
  public static let quarantine = TopicName("_quarantine")!
  /// Where what people decided about dead letters is kept, by the handler's name as key.
  public static let decisions = TopicName("_decisions")!

  /// Where commands are, by the key of the stream that they ask to change.
  public static let commands = TopicName("_commands")!
  /// Where the one answer to each command is, under the command's identity.
  public static let outcomes = TopicName("_outcomes")!
  /// Where timers of sagas are that fired, by the correlation value of their instance.
  public static let timers = TopicName("_timers")!
  /// No topic of the log: what parked instances of sagas are kept under, by their correlation value.
  public static let instances = TopicName("_instances")!
  /// The same for those whose `migrate` failed.
  public static let migrations = TopicName("_migrations")!

  /// Where the result of each effect is, under the handler's name as source and the effect's key as id.
  public static let results = TopicName("_results")!

  /// Where it is kept which scripts took over when, and their texts.
  public static let reloads = TopicName("_reloads")!

  public var isSystem: Bool { text.utf8.first == UInt8(ascii: "_") }
  public static func < (a: TopicName, b: TopicName) -> Bool { a.text < b.text }
  public var description: String { text }
}

/// A topic's number in one log, given at its creation: 0, 1, 2, … It means nothing outside that log.
public struct TopicID: Hashable, Comparable, Sendable {
  public var value: UInt16
  public init(_ value: UInt16) { self.value = value }
  public static func < (a: TopicID, b: TopicID) -> Bool { a.value < b.value }
}

/// What the log knows of a topic.
public struct TopicDescription: Sendable, Hashable {
  public var id: TopicID
  public var name: TopicName
  /// Fixed at creation; 1 to `Limits.partitionsMax`.
  public var partitions: UInt16
  /// The next offset of each partition, in order; its count is `partitions`. Includes records that are
  /// written but not yet durable.
  public var nextOffsets: [Offset]

  public init(id: TopicID, name: TopicName, partitions: UInt16, nextOffsets: [Offset]) {
    self.id = id
    self.name = name
    self.partitions = partitions
    self.nextOffsets = nextOffsets
  }
}

public import MoontideCore

/// A decider as its script defines it, checked. Its streams are the keys of its topic.
public struct DeciderDefinition: Sendable, Hashable {
  public var name: String
  /// Of the constructor's call.
  public var place: SourcePlace
  /// The content of all scripts that can change what it decides: its file, the modules it requires, the
  /// upcasters of the types it evolves by. Snapshots are bound to it.
  public var version: Digest
  /// Where its events go.
  public var topic: TopicName
  /// The field of a command's data that names the stream; nil: the command's own key.
  public var keyField: String?
  /// The types of commands that it decides, in the order of our `pairs`. No other decider takes them.
  public var commands: [String]
  /// The keys of `evolve`: a type, a prefix such as `Order*`, or `*`.
  public var evolves: [String]
  /// After how many events of a stream its state is kept; nil: never.
  public var snapshotEvery: Int?
  public var was: String?

  public init(
    name: String, place: SourcePlace, version: Digest = .zero, topic: TopicName = .events,
    keyField: String? = nil, commands: [String], evolves: [String], snapshotEvery: Int? = nil,
    was: String? = nil
  ) {
    self.name = name
    self.place = place
    self.version = version
    self.topic = topic
    self.keyField = keyField
    self.commands = commands
    self.evolves = evolves
    self.snapshotEvery = snapshotEvery
    self.was = was
  }

  /// The script's file, relative to the project.
  public var path: String { place.file }
  /// The first 12 digits of `version`, as `handlers` shows it.
  public var scriptVersion: String { String(version.description.prefix(12)) }
  /// What ids and random seeds are made of: a renamed decider keeps its identity.
  public var identityName: String { was ?? name }

  /// Which stored events its state follows, as upcasters make them.
  public func interest(in upcasters: [String: UpcasterDefinition]) -> EventInterest {
    EventInterest(subscriptions: evolves, upcasters: upcasters)
  }
}

public import MoontideCore

/// A projection or a consumer as its script defines it, checked.
public struct HandlerDefinition: Sendable, Hashable {
  public var kind: HandlerKind
  public var name: String
  /// Of the constructor's call.
  public var place: SourcePlace
  /// The content of all scripts that can change what this handler does: its file, the modules it requires,
  /// the upcasters of the types it matches. A comment or a space changes nothing.
  public var version: Digest
  /// The keys of `on`, in the order of our `pairs`: a type, a prefix such as `Order*`, or `*`.
  public var subscriptions: [String]
  /// Nil: all topics but the runtime's own.
  public var topics: Set<TopicName>?
  /// 1 for a projection.
  public var lanes: Int
  public var retry: RetryPolicy
  public var exhausted: ExhaustedPolicy
  /// Nil when the script says nothing; a projection always begins at the start.
  public var start: StartPoint?
  /// A projection's SQL.
  public var schema: String?
  /// What the schema check said it makes.
  public var tables: [StoreTable]
  public var was: String?
  /// Whether it has a function for what comes of its effects.
  public var takesResults = false
  /// Whether results of its effects count as what it handles; those of a saga move its instances as outcomes
  /// of commands do.
  public var countsResults: Bool { takesResults && kind == .consumer }
  /// Versions that it wants to see instead of the newest, in the order of `pairs`.
  public var wants: [WantedVersion]
  /// Which stored events concern it.
  public var interest: EventInterest

  public init(
    kind: HandlerKind, name: String, place: SourcePlace, version: Digest = .zero, subscriptions: [String],
    topics: Set<TopicName>? = nil, lanes: Int = 1, retry: RetryPolicy = RetryPolicy(),
    exhausted: ExhaustedPolicy = .park, start: StartPoint? = nil, schema: String? = nil,
    tables: [StoreTable] = [], was: String? = nil, wants: [WantedVersion] = []
  ) {
    self.kind = kind
    self.name = name
    self.place = place
    self.version = version
    self.subscriptions = subscriptions
    self.topics = topics
    self.lanes = lanes
    self.retry = retry
    self.exhausted = exhausted
    self.start = start
    self.schema = schema
    self.tables = tables
    self.was = was
    self.wants = wants
    interest = EventInterest(subscriptions: subscriptions)
    follow([:])
  }

  /// The script's file, relative to the project.
  public var path: String { place.file }
  /// The first 12 digits of `version`, as `handlers` shows it.
  public var scriptVersion: String { String(version.description.prefix(12)) }
  /// What ids and random seeds are made of: a renamed handler keeps its identity.
  public var identityName: String { was ?? name }
  /// The producer under which its outbox enters the log.
  public var outboxProducer: ProducerID { ProducerID("outbox:\(identityName)") }

  /// Whether events of that topic can concern it.
  public func listens(to topic: TopicName) -> Bool {
    !topic.isSystem && (topics?.contains(topic) ?? true)
  }

  /// Whether it handles events of that type, as upcasters made them.
  public func matches(type: String) -> Bool { interest.matches(type: type) }

  /// Takes up the upcasters that there are.
  mutating func follow(_ upcasters: [String: UpcasterDefinition]) {
    interest = EventInterest(
      subscriptions: subscriptions,
      wants: Dictionary(wants.map { ($0.type, $0.version) }, uniquingKeysWith: { first, _ in first }),
      upcasters: upcasters)
  }
}

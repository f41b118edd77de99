public import MoontideCore

/// A saga as its script defines it, checked.
public struct SagaDefinition: Sendable, Hashable {
  /// How an event of some types is brought to its instance.
  public struct Correlation: Sendable, Hashable {
    /// An event type, a beginning with `*`, or `*`.
    public var pattern: String
    /// The field of the event's data that holds the value; nil: a function gives it.
    public var field: String?
    public init(pattern: String, field: String?) {
      self.pattern = pattern
      self.field = field
    }
  }

  /// What it has in common with other handlers: name, place, version, subscriptions, topics, retry.
  public var handler: HandlerDefinition
  public var plan: SagaPlan
  /// The types that begin an instance.
  public var startsOn: [String]
  /// In the order of our `pairs`; empty: the key of the event that begins it, and causation.
  public var correlations: [Correlation]
  /// The keys of `on`.
  public var reactions: [String]
  /// The names of timers that `ctx.timer` may set.
  public var timers: [String]
  /// Whether event time alone moves its timers.
  public var followsEventTime: Bool
  /// Whether it has a function that brings open instances to changed steps.
  public var migrates = false
  /// Whether open instances that do not fit its steps end by the script that they stand by.
  public var pins = false
  /// Where `steps` is written.
  public var stepsPlace: SourcePlace
  /// All of its script, for those that may have to end by it when it is edited.
  public var sources: [SagaSource] = []

  public init(
    handler: HandlerDefinition, plan: SagaPlan = SagaPlan(), startsOn: [String] = [],
    correlations: [Correlation] = [], reactions: [String] = [], timers: [String] = [],
    followsEventTime: Bool = false
  ) {
    self.handler = handler
    self.plan = plan
    self.startsOn = startsOn
    self.correlations = correlations
    self.reactions = reactions
    self.timers = timers
    self.followsEventTime = followsEventTime
    stepsPlace = handler.place
  }

  public var name: String { handler.name }
  public var identityName: String { handler.identityName }

  /// Everything that concerns it, each pattern once, in the order of first mention.
  static func subscriptions(startsOn: [String], plan: SagaPlan, reactions: [String]) -> [String] {
    var seen: Set<String> = []
    return (startsOn + plan.steps.flatMap { $0.succeedsOn + $0.failsOn } + reactions)
      .filter { seen.insert($0).inserted }
  }
}

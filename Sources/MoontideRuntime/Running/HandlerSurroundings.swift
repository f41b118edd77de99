public import MoontideCore

/// What a worker is given to live in. The closures are called on the worker's thread, between events.
public struct HandlerSurroundings: Sendable {
  public var clock: any WallClock
  public var randomness: any Randomness
  /// Failed events, and what else a person should hear of.
  public var report: @Sendable (Diagnostic) -> Void
  /// What a script prints: the handler, the event's coordinates, the text.
  public var print: @Sendable (_ handler: String, _ event: String, _ text: String) -> Void

  /// A script asked an event for a field that it does not have; once for each type and field.
  public var missed: @Sendable (MissedField) -> Void = { _ in }

  /// How many records a batch takes at most; nil: what suits the lag.
  public var batchRecords: Int?

  public init(
    clock: any WallClock, randomness: any Randomness, report: @escaping @Sendable (Diagnostic) -> Void,
    print: @escaping @Sendable (_ handler: String, _ event: String, _ text: String) -> Void
  ) {
    self.clock = clock
    self.randomness = randomness
    self.report = report
    self.print = print
  }
}

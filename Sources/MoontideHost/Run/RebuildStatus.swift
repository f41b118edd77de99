public import MoontideCore

/// How far a version of a projection is that is folded beside the read model in use.
public struct RebuildStatus: Sendable, Hashable {
  /// The projection.
  public var name: String
  /// Of its script.
  public var version: String
  /// The next event that it folds.
  public var position: Position
  /// Of the log: there it has caught up.
  public var end: Position
  /// Events a second of late; 0 while that is not known.
  public var ratePerSecond: Double

  public init(name: String, version: String, position: Position, end: Position, ratePerSecond: Double) {
    self.name = name
    self.version = version
    self.position = position
    self.end = end
    self.ratePerSecond = ratePerSecond
  }

  /// How long it will take; nil while that is not known.
  public var timeLeft: Duration? {
    guard ratePerSecond > 0 else { return nil }
    return .seconds(Double(max(end, position).value - position.value) / ratePerSecond)
  }
}

public import MoontideCore

/// How one lane of a handler stands, as of its last batch. Counts of the whole handler are the sums over its
/// lanes: lane 0 carries what was there when it was opened.
public struct HandlerStatus: Sendable, Hashable {
  public var name: String
  public var kind: HandlerKind
  public var scriptVersion: String
  public var lane: Int
  /// The next position that it reads; what lies before is handled, held, or does not concern it.
  public var position: Position
  /// Whether `position` is written to its file.
  public var isSettled = true
  public var applied: UInt64 = 0
  public var skipped: UInt64 = 0
  /// Events of parked keys that are not applied yet; dead letters are not among them.
  public var held = 0
  /// Keys that are still tried in the background.
  public var retrying = 0
  /// Keys that wait behind a dead letter.
  public var parkedDead = 0
  public var dead = 0
  /// Events ever emitted by committed transactions; all are in the log once the relay's `relayed` is as
  /// large.
  public var emitted: UInt64 = 0
  /// Of a projection: the first event that it set aside.
  public var degradedSince: Position?
  /// Why it stopped.
  public var halted: Diagnostic?
  /// Why it waits (a full disk), though there is work.
  public var waiting: Diagnostic?
  /// Events applied per second, over the last batches.
  public var ratePerSecond: Double = 0
  /// Of sampled calls of the handler: 99 of 100 were no longer.
  public var handlerTimeP99: Duration?

  /// Whether its worker is there: before it is opened nobody knows what is left to do.
  var hasBegun = false

  public init(name: String, kind: HandlerKind, scriptVersion: String, lane: Int, position: Position) {
    self.name = name
    self.kind = kind
    self.scriptVersion = scriptVersion
    self.lane = lane
    self.position = position
  }

  /// Whether nothing is left to do below `end`: read, written down, and no try waiting.
  public func isDone(at end: Position) -> Bool {
    hasBegun && halted == nil && waiting == nil && position >= end && retrying == 0
  }
}

public import MoontideCore

/// How the outbox of a handler stands.
public struct RelayStatus: Sendable, Hashable {
  /// The outbox up to that sequence number (exclusive) is in the log, durably.
  public var relayed: UInt64 = 0
  /// Emitted events that the log refused since the start.
  public var conflicts = 0
  /// Why it stopped.
  public var halted: Diagnostic?
  /// Why it waits.
  public var waiting: Diagnostic?

  public init() {}
}

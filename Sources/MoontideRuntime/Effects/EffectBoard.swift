public import MoontideCore
import Synchronization

/// How the effects of a handler stand in a run.
public struct EffectRelayStatus: Sendable, Hashable {
  /// Numbers of those that are being performed.
  public var inFlight: Set<UInt64> = []
  /// Those that the relay knows of and that did not end.
  public var open = 0
  /// Since the start.
  public var done: UInt64 = 0
  public var dead: UInt64 = 0
  /// Tries that failed, since the start.
  public var failures: UInt64 = 0
  /// Why it stopped.
  public var halted: Diagnostic?
  /// Why it waits.
  public var waiting: Diagnostic?

  public init() {}
}

/// Where a relay of effects shows its status to other threads, and they leave what they want of it.
public final class EffectBoard: Sendable {
  private let current = Mutex(EffectRelayStatus())
  private let again = Mutex<[UInt64]>([])

  public init() {}

  public var status: EffectRelayStatus { current.withLock { $0 } }

  func publish(_ status: EffectRelayStatus) { current.withLock { $0 = status } }

  /// Has an effect looked at that the ledger has as open again. After its commit.
  public func lookAgain(_ sequences: [UInt64]) { again.withLock { $0 += sequences } }

  func takeAgain() -> [UInt64] {
    again.withLock { again in
      defer { again.removeAll() }
      return again
    }
  }
}

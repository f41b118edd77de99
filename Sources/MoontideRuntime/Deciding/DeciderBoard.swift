public import MoontideCore
import Synchronization

/// How a decider stands, as of its last step.
public struct DeciderStatus: Sendable, Hashable {
  /// The next position whose command it looks at.
  public var position: Position = .start
  /// Commands decided since it was started.
  public var accepted: UInt64 = 0
  public var rejected: UInt64 = 0
  public var failed: UInt64 = 0
  /// Why it stopped.
  public var halted: Diagnostic?
  /// Why it waits (a full disk), though there is work.
  public var waiting: Diagnostic?
  /// Whether its worker is there: before it is opened nobody knows what is left to do.
  var hasBegun = false

  /// Whether nothing below `end` is left to decide.
  public func isDone(at end: Position) -> Bool {
    hasBegun && halted == nil && waiting == nil && position >= end
  }
}

/// Where a decider shows its status to other threads.
public final class DeciderBoard: Sendable {
  private let current = Mutex(DeciderStatus())

  public init() {}

  public var status: DeciderStatus { current.withLock { $0 } }

  /// The decider could not be opened.
  /// - Parameter isPassing: whether it is tried again.
  public func fail(_ problem: Diagnostic, isPassing: Bool) {
    current.withLock {
      if isPassing { $0.waiting = problem } else { $0.halted = problem }
    }
  }

  func publish(_ status: DeciderStatus) {
    current.withLock {
      $0 = status
      $0.hasBegun = true
    }
  }
}

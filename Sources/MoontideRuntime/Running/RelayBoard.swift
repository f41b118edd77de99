import Synchronization

/// Where a relay shows its status to other threads.
public final class RelayBoard: Sendable {
  private let current = Mutex(RelayStatus())

  public init() {}

  public var status: RelayStatus { current.withLock { $0 } }

  func publish(_ status: RelayStatus) { current.withLock { $0 = status } }
}

import Synchronization

/// Stops what runs for somebody who asked, from another thread or a signal handler.
public final class QueryCancellation: Sendable {
  private let flag = Atomic<Bool>(false)
  public init() {}
  public func cancel() { flag.store(true, ordering: .relaxed) }
  /// Makes it ready for the next question.
  public func renew() { flag.store(false, ordering: .relaxed) }
  public var isCancelled: Bool { flag.load(ordering: .relaxed) }
}

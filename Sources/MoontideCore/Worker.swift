/// A worker is a state machine: a thread drives it in production, the simulator in tests.
public protocol Worker: AnyObject {
  /// Does one bounded piece of work.
  func step() -> StepOutcome
}

public enum StepOutcome: Sendable, Equatable {
  /// Something was done; call again at once.
  case progressed
  /// Nothing to do now; call again when woken, or at the latest after this time.
  case idle(for: Duration)
  /// Nothing to do ever again.
  case finished
}

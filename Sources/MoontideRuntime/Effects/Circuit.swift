import MoontideCore

/// Whether a target that keeps failing is left alone for a while. It delays effects and never decides about
/// one: what it held back is tried later by the handler's own policy.
///
/// Closed it counts failures one behind the other, of whatever effects. At `Limits.circuitFailures` it opens
/// and rests; then one try goes through, and closes it or has it rest twice as long. All times are of the
/// monotonic clock.
public struct Circuit: Sendable, Hashable {
  private enum State: Hashable {
    case closed(failures: Int)
    case open(until: Duration, rest: Duration)
    /// One try is on its way.
    case probing(rest: Duration)
  }

  private var state = State.closed(failures: 0)

  public init() {}

  /// Whether nothing is known against the target.
  public var isClear: Bool { state == .closed(failures: 0) }
  public var isOpen: Bool {
    if case .closed = state { false } else { true }
  }

  /// How long it rests from now on; nil when it is not open.
  func rest(at now: Duration) -> Duration? {
    if case .open(let until, _) = state { max(.zero, until - now) } else { nil }
  }

  /// Nil when a try may go through now, else when to ask again.
  public mutating func ask(at now: Duration) -> Duration? {
    switch state {
    case .closed: return nil
    case .open(let until, let rest):
      if now < until { return until }
      state = .probing(rest: rest)
      return nil
    case .probing: return now + .milliseconds(100)
    }
  }

  /// A try got an answer that says nothing against the target.
  public mutating func succeed() { state = .closed(failures: 0) }

  /// A try failed in a way that is the target's.
  /// - Parameter asked: how long the target asks to be left alone.
  public mutating func fail(at now: Duration, asked: Duration? = nil) {
    let rest: Duration
    switch state {
    case .closed(let failures):
      if failures + 1 < Limits.circuitFailures, asked == nil {
        state = .closed(failures: failures + 1)
        return
      }
      rest = Limits.circuitRest
    case .open(let until, let last):
      // Of a try that was on its way when it opened.
      if let asked { state = .open(until: max(until, now + asked), rest: last) }
      return
    case .probing(let last): rest = min(last * 2, Limits.circuitRestMax)
    }
    state = .open(until: now + max(rest, asked ?? .zero), rest: rest)
  }

  /// A try ended and says nothing of the target: it was left, or refused before it began.
  public mutating func leave(at now: Duration) {
    if case .probing(let rest) = state { state = .open(until: now, rest: rest) }
  }
}

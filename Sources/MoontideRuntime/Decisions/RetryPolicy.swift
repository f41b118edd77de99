/// How often and when a failing event is tried again.
public struct RetryPolicy: Sendable, Hashable {
  /// Tries in all, the first included; 1 to `Limits.retryAttemptsMax`.
  public var attempts: Int
  /// Before the second try.
  public var backoff: Duration
  /// What the wait grows by with each further try; at least 1.
  public var factor: Double
  /// The longest wait.
  public var max: Duration

  public init(
    attempts: Int = 5, backoff: Duration = .milliseconds(200), factor: Double = 2,
    max: Duration = .seconds(60)
  ) {
    self.attempts = attempts
    self.backoff = backoff
    self.factor = factor
    self.max = max
  }

  /// How long to wait after the `attempts`-th failed try (from 1): between half of the nominal wait and all
  /// of it, chosen by `random`, so that keys which failed together do not come back together.
  public func delay(afterAttempt attempts: Int, random: UInt64) -> Duration {
    var nominal = backoff / .microseconds(1)
    let ceiling = max / .microseconds(1)
    for _ in 1..<Swift.max(2, attempts) where attempts > 1 && nominal < ceiling { nominal *= factor }
    nominal = Swift.min(nominal, ceiling)
    let share = 0.5 + 0.5 * Double(random >> 11) / Double(UInt64(1) << 53)
    return .microseconds(Int64(nominal * share))
  }
}

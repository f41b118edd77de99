/// The clock, as the runtime sees it. Any thread.
public protocol WallClock: Sendable {
  /// The time of day; it may jump.
  var now: EventTime { get }
  /// Never goes back; its origin is arbitrary. For deadlines and backoff.
  var monotonic: Duration { get }
  /// Sleeps, or moves the simulated time on.
  func sleep(for duration: Duration)
}

/// Randomness for jitter and for names that must be unique; never for anything a handler sees.
public protocol Randomness: Sendable {
  func next() -> UInt64
}

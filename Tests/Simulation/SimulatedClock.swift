public import MoontideCore

/// A clock that moves only when it is told to, and whose time of day may jump.
///
/// `@unchecked Sendable`: a simulation is one thread.
public final class SimulatedClock: WallClock, @unchecked Sendable {
  private var elapsed = Duration.zero
  private var shift: Int64 = 0
  /// A planted bug: the monotonic clock stands.
  public var isStuck = false

  public init() {}

  public var now: EventTime {
    EventTime(microseconds: 1_760_000_000_000_000 + shift + Int64(elapsed / .microseconds(1)))
  }
  public var monotonic: Duration { isStuck ? .zero : elapsed }
  public func sleep(for duration: Duration) { elapsed += duration }

  /// Moves the time of day alone.
  public func jump(bySeconds seconds: Int64) { shift += seconds * 1_000_000 }
}

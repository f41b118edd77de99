import Glibc
public import MoontideCore

/// The clocks of the machine. Stateless; any thread.
public struct SystemClock: WallClock {
  public init() {}

  public var now: EventTime {
    let time = Self.read(CLOCK_REALTIME)
    return EventTime(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1_000)
  }

  public var monotonic: Duration {
    let time = Self.read(CLOCK_MONOTONIC)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  public func sleep(for duration: Duration) {
    let parts = duration.components
    guard duration > .zero else { return }
    var asked = timespec(tv_sec: Int(parts.seconds), tv_nsec: Int(parts.attoseconds / 1_000_000_000))
    var left = timespec()
    while nanosleep(&asked, &left) != 0 && errno == EINTR { asked = left }
  }

  private static func read(_ clock: clockid_t) -> timespec {
    var time = timespec()
    let result = clock_gettime(clock, &time)
    precondition(result == 0, "the clock \(clock) answered \(errno)")
    return time
  }
}

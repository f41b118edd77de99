import MoontideCore

/// Which moments one fold of a log's prefix stands for. It took in the events up to some time and left out
/// the others; for every time from the latest that it took in to the earliest that it left out it would have
/// done the same. A fold that left out nothing is the plain prefix of the log.
struct FoldSpan: Sendable, Hashable {
  /// The latest time of an event that was taken in, microseconds since 1970; `Int64.min` when there was none.
  /// Too late a value only makes the fold stand for fewer moments, never for a wrong one.
  var latest: Int64 = .min
  /// The earliest time of an event that was left out; `Int64.max` when there was none. Too early a value does
  /// no harm either.
  var earliestLeftOut: Int64 = .max
  /// About how many were left out: what is passed by unread counts as if all of it were events.
  var leftOut: UInt64 = 0

  /// Notes one event that is left out, or the earliest of many that `passBy` counts.
  mutating func leaveOut(_ time: Int64) { earliestLeftOut = min(earliestLeftOut, time) }

  /// Counts records that are left out.
  mutating func passBy(_ count: UInt64) { leftOut += count }

  /// Whether a fold up to that time would have taken in the same events. `Int64.max` stands for all events.
  func stands(for latestWanted: Int64) -> Bool {
    latest <= latestWanted && (latestWanted < earliestLeftOut || earliestLeftOut == .max)
  }
}

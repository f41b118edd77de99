import CSQLite
import MoontideCore

/// Ends a statement when its time is over, wherever SQLite is: see statement_watch.c. Owned by the thread of
/// its connection; one statement at a time.
final class StatementWatch {
  private let place = UnsafeMutablePointer<mt_watch>.allocate(capacity: 1)

  init() { place.initialize(to: mt_watch()) }
  deinit { place.deallocate() }

  /// Runs `body` within the limit. Whatever it throws, `isLate` says whether that was because of the time.
  func run<R>(
    _ connection: Connection, within limit: Duration, valueBytesMax: Int32,
    _ body: () throws(StoreError) -> R
  ) throws(StoreError) -> R {
    let (seconds, attoseconds) = limit.components
    isLate = false
    mt_watch_begin(
      place, connection.handle, seconds * 1_000_000_000 + attoseconds / 1_000_000_000, valueBytesMax)
    defer { isLate = mt_watch_end(place) != 0 }
    return try body()
  }

  private(set) var isLate = false
}

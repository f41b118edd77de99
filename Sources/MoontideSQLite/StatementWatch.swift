import CSQLite
import MoontideCore

/// Ends a statement when its time is over, wherever SQLite is: see statement_watch.c. Owned by the thread of
/// its connection; one statement at a time.
final class StatementWatch {
  private let place = UnsafeMutablePointer<mt_watch>.allocate(capacity: 1)

  init() { place.initialize(to: mt_watch()) }
  deinit { place.deallocate() }

  /// Runs `body` within the limit. Whatever it throws, `isLate` says whether that was because of the time,
  /// and `isShort` whether it was because of the memory.
  /// - Parameter memoryMax: bytes that SQLite may take meanwhile, on this thread; 0: any.
  func run<R>(
    _ connection: Connection, within limit: Duration, valueBytesMax: Int32, memoryMax: Int = 0,
    _ body: () throws(StoreError) -> R
  ) throws(StoreError) -> R {
    let (seconds, attoseconds) = limit.components
    isLate = false
    isShort = false
    mt_watch_begin(
      place, connection.handle, seconds * 1_000_000_000 + attoseconds / 1_000_000_000, valueBytesMax,
      Int64(memoryMax))
    defer {
      isLate = mt_watch_end(place) != 0
      isShort = place.pointee.is_short != 0
    }
    return try body()
  }

  private(set) var isLate = false
  private(set) var isShort = false
}

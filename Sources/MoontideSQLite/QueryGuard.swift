import CSQLite
import MoontideCore

/// Watches one query from SQLite's progress handler: a deadline and a cancellation. Lives as long as the
/// handler is set.
final class QueryGuard {
  /// Virtual machine steps between two looks: some ten microseconds.
  private static let stepsBetweenLooks: Int32 = 1_000

  private let clock: any WallClock
  let limit: Duration
  /// For what is late or large where no progress handler is asked.
  let statement = StatementWatch()
  private var end: Duration
  private let cancellation: QueryCancellation?
  /// Why the query was interrupted.
  private(set) var reason: QueryError?

  init(clock: any WallClock, limit: Duration, cancellation: QueryCancellation?) {
    self.clock = clock
    self.limit = limit
    self.cancellation = cancellation
    end = clock.monotonic + limit
  }

  func install(on handle: OpaquePointer) {
    sqlite3_progress_handler(
      handle, QueryGuard.stepsBetweenLooks,
      { context in
        guard let context else { return 0 }
        return Unmanaged<QueryGuard>.fromOpaque(context).takeUnretainedValue().look() ? 1 : 0
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  /// Runs a part of the query within the time that is left, and within its memory.
  func bounded<R>(_ connection: Connection, _ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    try statement.run(
      connection, within: max(.zero, end - clock.monotonic), valueBytesMax: Limits.storeValueBytesMax,
      memoryMax: Limits.queryMemoryMax, body)
  }

  /// Runs what is not the query's own work; the deadline moves by as much.
  func paused<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    let began = clock.monotonic
    defer { end += clock.monotonic - began }
    return try body()
  }

  /// True when the query has to end.
  func look() -> Bool {
    if cancellation?.isCancelled == true { reason = .cancelled }
    if clock.monotonic >= end { reason = .timedOut(after: limit) }
    return reason != nil
  }
}

/// Every bound of the runtime, with its unit and its reason.
public enum Limits {
  // MARK: Envelope

  /// Names become folder names and SQL values; 64 fits every file system and every screen.
  public static let topicNameBytesMax = 64
  /// An id or a key longer than this is a payload; indexes and errors show them whole.
  public static let identityBytesMax = 1024
  /// One event type names one Lua function.
  public static let typeBytesMax = 256
  /// RFC 3339 with nanoseconds and an offset needs 35.
  public static let timeBytesMax = 64
  /// One event. The largest real one seen is 103 kB; SQLite, Lua budgets and batches want a bound.
  public static let eventBytesMax = 4 << 20
  /// What of a line that was too long, or bad, is kept with its quarantine record.
  public static let quarantineBytesMax = 64 << 10
  /// Nesting of JSON; simdjson's default is 1024, and Lua's C stack allows 200 C calls.
  public static let jsonDepthMax = 128
  /// A version number of an event type.
  public static let eventVersionMax: UInt32 = 1_000_000

  // MARK: Log

  /// Kafka's habit of small counts; every handler holds a checkpoint per partition.
  public static let partitionsMax: UInt16 = 1024
  public static let partitionsDefault: UInt16 = 8
  public static let topicsMax = 4096
  /// One batch of the log: what a single flush covers at most, and what a reader holds.
  public static let batchBytesMax = 8 << 20
  public static let batchRecordsMax = 16_384
  /// A segment file is closed at this size, so that recovery and copies work on parts.
  public static let segmentBytesMax: UInt64 = 256 << 20
  /// simdjson reads up to this many bytes beyond its input.
  public static let parserPaddingBytes = 64

  // MARK: Reading

  /// One read of a handler: enough to amortise a transaction, small enough for memory.
  public static let readBytesMax = 4 << 20
  public static let readRecordsMax = 5_000

  // MARK: Handlers

  public static let handlerNameBytesMax = 64
  /// Columns of one table that `put` can name; a bit mask of 64 holds them.
  public static let columnsMax = 64
  /// Events that one event may emit.
  public static let emittedPerEventMax = 1_000
  public static let causationDepthDefault = 32
  /// Events that may wait behind one parked key before the handler halts.
  public static let heldPerKeyMax = 100_000
  /// An error's message as it is kept.
  public static let errorTextBytesMax = 4 << 10
  /// What `print` may write for one event.
  public static let printBytesMax = 4 << 10
  public static let lanesMax = 64

  // MARK: Lua budgets, per event (settings may change them)

  public static let instructionsDefault: UInt64 = 50_000_000
  public static let handlerTimeDefault = Duration.seconds(2)
  public static let memoryBytesDefault = 64 << 20
  /// One script file.
  public static let scriptBytesMax = 4 << 20
  /// Depth of a value that crosses between Lua and the host.
  public static let valueDepthMax = 64
  public static let valueNodesMax = 100_000
  public static let valueBytesMax = 1 << 20

  // MARK: Queries

  public static let queryTimeDefault = Duration.seconds(30)
  public static let queryRowsMax = 1_000_000
  /// The path of a Unix socket on Linux, without the closing NUL.
  public static let socketPathBytesMax = 107

  // MARK: Stores

  /// How long a connection waits for a lock of another process: a recovery or a checkpoint takes less.
  public static let storeBusyMillisecondsMax: Int32 = 10_000
  /// Page cache of one store; a handler's working set, within the goal for RSS.
  public static let storeCacheKibibytes = 64 << 10
  /// Pages of 4 KiB in the WAL before SQLite copies them into the file: late, so that a page that changes
  /// in many batches is copied once.
  public static let storeCheckpointPages = 8_000
  /// One value, row or SQL text in a store: an event of `eventBytesMax` and room to quote it.
  public static let storeValueBytesMax: Int32 = 16 << 20
  /// Bytes of merged rows that one table holds back before it writes them.
  public static let foldedBytesMax = 16 << 20
  /// Steps of SQLite's machine that one statement of a script may take, some seconds: counted, not timed, so that
  /// every replay stops at the same place.
  public static let statementStepsMax = 300_000_000
  /// Values that one `each` or `query` of a script may return: they are all held in memory.
  public static let resultCellsMax = 4_000_000
  /// Statements of different texts that a store keeps prepared for `db:query` and `db:exec`.
  public static let preparedStatementsMax = 256
  /// Databases that SQLite attaches at once, as it is built on Debian.
  public static let attachedMax = 10
  /// Result bytes of one query.
  public static let queryBytesMax = 256 << 20
}

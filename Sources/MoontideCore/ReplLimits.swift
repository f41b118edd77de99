/// Bounds of the REPL.
extension Limits {
  /// Lines of history that are kept in `.moontide/history`: months of work, and read in no time.
  public static let replHistoryMax = 2_000
  /// One statement, or one line of Lua, that a person types or pipes in: a large `in (…)` list.
  public static let replStatementBytesMax = 1 << 20
  /// Rows that `_` keeps of a result: more is no work for a person at a prompt, and 10,000 are kept in no
  /// time.
  public static let replRowsKeptMax = 10_000
  /// Bytes of them.
  public static let replBytesKeptMax = 16 << 20
  /// Answers of system tables that are held until the project is let go again; larger ones are read in place.
  public static let replHeldBytesMax = 64 << 20
  /// Of the lines that a person types: results of `replBytesKeptMax` as tables, and room to work with them.
  public static let replMemoryBytes = 256 << 20
  /// Parts of a Lua value that crosses to be shown or to become the table `_`: 10,000 rows of 50 columns.
  public static let replNodesMax = 1_000_000
  /// Entries of one Lua table that are shown; the rest is counted.
  public static let replEntriesShownMax = 200
  /// Lines that one Lua value is shown in; it stays whole in `_`.
  public static let replValueLinesMax = 1_000
  /// Past moments that are attached at once; each read model of one that a query names is a database of its
  /// own.
  public static let replAttachedMax = 16
  /// A read model that is copied for calling a projection's function: some seconds of copying.
  public static let replCopyBytesMax: UInt64 = 1 << 30
  /// How often `.live` and `.tail` look whether something has changed, and `.live` redraws at most.
  public static let replLookInterval = Duration.milliseconds(100)
  /// Rows that `.live` reads of an answer: more than any screen shows.
  public static let replLiveRowsMax = 500
  /// Candidates that one Tab lists; more are counted.
  public static let replCandidatesMax = 200
  /// Files of `queries/` that are listed and completed.
  public static let replSavedQueriesMax = 1_000
}

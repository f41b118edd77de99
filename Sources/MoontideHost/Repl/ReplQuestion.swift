public import MoontideCore

/// One statement of a REPL, with what it may name beside the project's own tables.
public struct ReplQuestion {
  public var sql: String
  /// The statement is stopped after this time.
  public var timeout: Duration
  /// More rows than this are an error; `Int.max`: it streams.
  public var rowsMax = Int.max
  /// Whole read models are asked as they were then.
  public var moment: PastMoment?
  /// Past moments by the names that they are attached under.
  public var attached: [String: PastMoment] = [:]
  /// The table `_`.
  public var last: KeptRows?

  public init(_ sql: String, timeout: Duration = Limits.queryTimeDefault) {
    self.sql = sql
    self.timeout = timeout
  }
}

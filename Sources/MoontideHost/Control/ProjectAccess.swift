public import MoontideCore

/// What can be asked of a project, whether this process holds it or another one runs it. One thread at a
/// time.
public protocol ProjectAccess: AnyObject {
  /// Runs one read-only SQL statement over read models and `sys` tables and hands its rows to `sink`.
  func query(_ request: QueryRequest, to sink: any RowSink) throws(Diagnostic)
  /// Publishes event lines; returns when they are on disk. A bad line refuses the whole call and nothing of
  /// it is written.
  func append(_ request: PublishRequest) throws(Diagnostic) -> PublishOutcome
  /// Has a command decided; returns when its outcome is on disk. Throws when nothing was decided: a command
  /// that is none, an id that names another one.
  func send(_ request: SendRequest) throws(Diagnostic) -> SendOutcome
  /// Tells the state of one stream of a decider, now or then; rows of `StateRequest.columns`. `observer`
  /// hears what a past moment came to, and what is to be known of the answer.
  func state(
    _ request: StateRequest, to sink: any RowSink, observer: any MomentObserver
  ) throws(Diagnostic)
  /// Deals with dead letters and quarantined lines; a row of `DeadRequest.columns` for each.
  func decide(_ request: DeadRequest, to sink: any RowSink) throws(Diagnostic)
  /// Has effects that ended performed again, under their keys; a row of `EffectsRequest.columns` for each.
  func perform(_ request: EffectsRequest, to sink: any RowSink) throws(Diagnostic)
  /// Deals with instances of a saga; a row of `SagaRequest.columns` for each.
  func decide(_ request: SagaRequest, to sink: any RowSink) throws(Diagnostic)
  /// Takes up the scripts as they are now; what came of it. Throws when nothing could be tried.
  func reload(_ request: ReloadRequest) throws(Diagnostic) -> ReloadReport
  /// Has a read model rebuilt beside, or the former one put back, and waits until it serves. Throws when it
  /// came to nothing; the read model in use then goes on.
  func rebuild(
    _ request: RebuildRequest, observer: any RebuildObserver
  ) throws(Diagnostic) -> RebuildOutcome
  /// Hands the log's events to `sink` as JSON lines, see `ExportRequest`.
  func export(_ request: ExportRequest, to sink: any ByteSink) throws(Diagnostic)
}

public struct QueryRequest: Sendable, Hashable {
  public var sql: String
  /// The statement is stopped after this time.
  public var timeout: Duration
  /// More rows than this are an error.
  public var rowsMax: Int
  /// Wait until every handler has come past this position: read your own writes.
  public var after: Position?

  public init(
    _ sql: String, timeout: Duration = Limits.queryTimeDefault, rowsMax: Int = Limits.queryRowsMax,
    after: Position? = nil
  ) {
    self.sql = sql
    self.timeout = timeout
    self.rowsMax = rowsMax
    self.after = after
  }
}

/// Takes the rows of a query as they come.
public protocol RowSink: AnyObject {
  /// Once, before any row.
  func columns(_ names: [String]) throws(Diagnostic)
  /// One row; the buffer is reused for the next.
  func row(_ row: RowBuffer) throws(Diagnostic)
}

public protocol ByteSink: AnyObject {
  /// Whole lines of one topic.
  func write(_ bytes: [UInt8], topic: TopicName) throws(Diagnostic)
}

public struct PublishRequest: Sendable, Hashable {
  public var topic: TopicName
  /// Envelope lines, each with its newline.
  public var lines: [UInt8]
  public init(topic: TopicName, lines: [UInt8]) {
    self.topic = topic
    self.lines = lines
  }
}

public struct PublishOutcome: Sendable, Hashable {
  public var published: Int
  /// Events that were in the log already, body and all.
  public var repeats: Int
  /// Everything published lies before this position: the token of `query --after`.
  public var end: Position
  public init(published: Int, repeats: Int, end: Position) {
    self.published = published
    self.repeats = repeats
    self.end = end
  }
}

public struct ExportRequest: Sendable, Hashable {
  /// Nil: all topics.
  public var topic: TopicName?
  /// Whether each line ends with the `recorded` field.
  public var recorded: Bool
  public init(topic: TopicName? = nil, recorded: Bool = true) {
    self.topic = topic
    self.recorded = recorded
  }
}

import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// Answers SQL over a project's read models and system tables. One thread; made for each connection.
struct QuerySession {
  let paths: ProjectPaths
  let files: any FileSystem
  let clock: any WallClock
  let tables: [any SystemTable]
  /// What keeps one of them from being read, where they say.
  var tableFault: TableFault?
  /// Read models that are made when a query names them, in the place of those that are there, or beside them.
  var made: MadeModels?
  /// The project's, where it is open anyway.
  var log: (any EventLog)?
  /// Stops the statement.
  var cancellation: QueryCancellation?

  /// Models without files, and the way to one.
  struct MadeModels {
    var catalog: QueryCatalog
    /// Whether those that are there can be asked too.
    var isBeside = false
    /// Makes the file of the model with that name, and says where it is.
    var make: (String) throws(Diagnostic) -> String
  }

  /// What came of a statement so far.
  private final class Answer {
    let sink: any RowSink
    /// Whether the sink has seen a part of it.
    var hasBegun = false
    /// What made it end, beside SQLite.
    var fault: Diagnostic?

    init(_ sink: any RowSink) { self.sink = sink }
  }

  /// - Parameter sent: what is run in the place of the request's text, which errors point into.
  func run(
    _ request: QueryRequest, sent: AttachedNames? = nil, to sink: any RowSink
  ) throws(Diagnostic) {
    var listing = try listed()
    let engine = try StoreError.told { () throws(StoreError) in
      try QueryEngine(catalog(listing), tables: tables, clock: clock)
    }
    let answer = Answer(sink)
    engine.provide = provider(answer)
    var triesLeft = Limits.listingTriesMax
    while true {
      do throws(QueryError) {
        try ask(engine, request, sent, answer)
        break
      } catch {
        triesLeft -= 1
        // A read model may have been renamed, swapped or put away since it was listed; it may even be back.
        if triesLeft > 0, !answer.hasBegun, answer.fault == nil, !error.isOwnEnd,
          try isOutdated(listing) || (error.isOfFile && triesLeft > Limits.listingTriesMax - 4)
        {
          listing = try listed()
          engine.catalog = catalog(listing)
          continue
        }
        // A table that could not be read because the query was at an end says so only there.
        let told = error.isOwnEnd ? nil : tableFault?.told
        throw answer.fault ?? told ?? diagnosis(request, sent, engine.catalog, listing).diagnostic(error)
      }
    }
    if let fault = answer.fault { throw fault }
  }

  private func ask(
    _ engine: QueryEngine, _ request: QueryRequest, _ sent: AttachedNames?, _ answer: Answer
  ) throws(QueryError) {
    // A listing without a bound of rows has none of bytes: it streams.
    let bytes = request.rowsMax == .max ? Int.max : Limits.queryBytesMax
    let bounds = QueryEngine.Bounds(time: request.timeout, rows: request.rowsMax, bytes: bytes)
    try engine.run(sent?.text ?? request.sql, bounds: bounds, cancellation: cancellation) { names in
      answer.hasBegun = true
      do throws(Diagnostic) { try answer.sink.columns(names) } catch { answer.fault = error }
    } row: { row in
      if answer.fault != nil { return false }
      do throws(Diagnostic) {
        try answer.sink.row(row)
        return true
      } catch {
        answer.fault = error
        return false
      }
    }
  }

  // MARK: What it may name

  /// Nil when the read models that are there cannot be asked.
  private func listed() throws(Diagnostic) -> ModelListing? {
    guard made?.isBeside ?? true else { return nil }
    return try StoreError.told { () throws(StoreError) in try ModelListing(paths, files) }
  }

  private func isOutdated(_ listing: ModelListing?) throws(Diagnostic) -> Bool {
    try StoreError.told { () throws(StoreError) in try listing?.isOutdated() ?? false }
  }

  private func catalog(_ listing: ModelListing?) -> QueryCatalog {
    QueryCatalog((listing?.models ?? []) + (made?.catalog.models ?? []))
  }

  private func provider(_ answer: Answer) -> ((QueryCatalog.Model) throws(StoreError) -> String)? {
    guard let made else { return nil }
    return { model throws(StoreError) in
      if !model.path.isEmpty { return model.path }
      do throws(Diagnostic) { return try made.make(model.name) } catch {
        answer.fault = error
        throw .refused(error.title)
      }
    }
  }

  private func diagnosis(
    _ request: QueryRequest, _ sent: AttachedNames?, _ catalog: QueryCatalog, _ listing: ModelListing?
  ) -> QueryDiagnosis {
    QueryDiagnosis(
      request: request, sent: sent, models: catalog.models, unreadable: listing?.unreadable ?? [],
      newName: newName)
  }

  /// What a read model is called now that had this name before, as the log tells.
  private func newName(_ former: String) -> String? {
    do throws(Diagnostic) {
      var log = self.log
      if log == nil { log = try PastModels.open(paths, files) }
      guard let log else { return nil }
      let kept = KeptScripts(paths: paths, files: files, log: log)
      return FormerNames(.projection, try kept.takeovers()).newest(of: former)
    } catch {
      // Only a help is lost: the fault itself is told.
      return nil
    }
  }

  /// The line and column of a byte of the statement.
  static func place(in sql: String, byteOffset: Int) -> SourcePlace {
    let before = String(decoding: sql.utf8.prefix(byteOffset), as: UTF8.self)
    let lines = before.split(separator: "\n", omittingEmptySubsequences: false)
    let all = sql.split(separator: "\n", omittingEmptySubsequences: false)
    let line = lines.count
    let rest = String(decoding: sql.utf8.dropFirst(byteOffset), as: UTF8.self)
    let width = max(1, rest.prefix { $0.isLetter || $0.isNumber || $0 == "_" }.count)
    return SourcePlace(
      file: "query", line: line, column: (lines.last?.count ?? 0) + 1, width: width,
      excerpt: line <= all.count ? String(all[line - 1]) : nil)
  }
}

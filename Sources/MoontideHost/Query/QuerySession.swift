import MoontideCore
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

  /// - Parameter sent: what is run in the place of the request's text, which errors point into.
  func run(
    _ request: QueryRequest, sent: AttachedNames? = nil, to sink: any RowSink
  ) throws(Diagnostic) {
    let engine: QueryEngine
    var unreadable: [Diagnostic] = []
    do throws(StoreError) {
      engine = try QueryEngine(made?.catalog ?? QueryCatalog(), tables: tables, clock: clock)
      if made?.isBeside ?? true {
        engine.catalog = try catalog(&unreadable)
        engine.catalog.models += made?.catalog.models ?? []
      }
    } catch {
      throw error.diagnostic
    }
    var fault: Diagnostic?
    if let made {
      engine.provide = { model throws(StoreError) in
        if !model.path.isEmpty { return model.path }
        do throws(Diagnostic) { return try made.make(model.name) } catch {
          fault = error
          throw .refused(error.title)
        }
      }
    }
    do throws(QueryError) {
      // A listing without a bound of rows has none of bytes: it streams.
      let bytes = request.rowsMax == .max ? Int.max : Limits.queryBytesMax
      let bounds = QueryEngine.Bounds(time: request.timeout, rows: request.rowsMax, bytes: bytes)
      try engine.run(sent?.text ?? request.sql, bounds: bounds, cancellation: cancellation) { names in
        do throws(Diagnostic) { try sink.columns(names) } catch { fault = error }
      } row: { row in
        if fault != nil { return false }
        do throws(Diagnostic) {
          try sink.row(row)
          return true
        } catch {
          fault = error
          return false
        }
      }
    } catch {
      // A table that could not be read because the query was at an end says so only there.
      let told = error.isOwnEnd ? nil : tableFault?.told
      throw fault ?? told ?? diagnostic(error, request, sent, unreadable)
    }
    if let fault { throw fault }
  }

  /// The read models whose files are there; what keeps one from being read goes into `unreadable`.
  func catalog(_ unreadable: inout [Diagnostic]) throws(StoreError) -> QueryCatalog {
    var models: [QueryCatalog.Model] = []
    do throws(FileError) {
      guard try files.status(paths.readModels) != nil else { return QueryCatalog() }
      for file in try files.list(paths.readModels) where file.hasSuffix(".sqlite") && !file.hasPrefix(".") {
        let path = paths.readModels + "/" + file
        do throws(StoreOpeningError) {
          let reader = try StoreReader(path: path)
          let names = try StoreOpeningError.told { () throws(StoreError) in
            try reader.tables().map(\.name) + reader.views()
          }
          models.append(.init(name: String(file.dropLast(".sqlite".count)), path: path, tables: names))
        } catch {
          // A file that is just being made, or is damaged, has no tables to offer: a query that names one of
          // them hears that there is none, and why.
          unreadable.append(error.diagnostic(path))
        }
      }
    } catch {
      throw error.isPassing
        ? .exhausted(path: error.path, reason: error.reason) : .io(path: error.path, reason: error.reason)
    }
    return QueryCatalog(models)
  }

  private func diagnostic(
    _ error: QueryError, _ request: QueryRequest, _ sent: AttachedNames?, _ unreadable: [Diagnostic]
  ) -> Diagnostic {
    switch error {
    case .wrong(let message, let place, let suggestion):
      let byteOffset = place.map { sent?.original($0) ?? $0 }
      let message = AttachedNames.readable(message)
      var wrong = Diagnostic(
        .query, message, at: byteOffset.map { QuerySession.place(in: request.sql, byteOffset: $0) },
        help: suggestion.map { "did you mean \($0)?" } ?? QuerySession.help(message))
      if message.hasPrefix("no such table") {
        // What the system is short of must not look as if there were no such table.
        if let short = unreadable.first(where: \.isPassing) { return short }
        wrong.details += unreadable.map { .init("note", "\($0.title); moontide doctor") }
      }
      return wrong
    case .ambiguous(let name, let candidates):
      return Diagnostic(
        .query, "\(name) is in several read models",
        help: "say which: \(candidates.joined(separator: " or "))")
    case .tooManyModels(let limit):
      return Diagnostic(.query, "one query reads at most \(limit) read models", help: "split the query")
    case .timedOut(let after):
      return Diagnostic(
        .query, "the query was stopped after \(after / .seconds(1)) s",
        help: "narrow it, or give it more with --timeout SECONDS")
    case .cancelled: return Diagnostic(.query, "the query was stopped", help: "run it again")
    case .tooManyRows(let limit):
      return Diagnostic(.query, "a query gives at most \(limit) rows", help: "add a limit, or ask for less")
    case .tooMuchMemory(let limit):
      return Diagnostic(
        .query, "a query takes at most \(limit >> 20) MB of memory", help: "sort, group or join less at once")
    case .tooManyBytes(let limit):
      return Diagnostic(.query, "a query gives at most \(limit) bytes", help: "add a limit, or ask for less")
    case .store(let error): return error.diagnostic
    }
  }

  /// The next step after what SQLite says.
  private static func help(_ message: String) -> String {
    if message.hasPrefix("no such table") {
      return "moontide query \"select * from sys.handlers\" lists the read models; each is a schema with its "
        + "tables"
    }
    if message.hasPrefix("no such column") {
      return "select * from the table shows its columns; text stands in single quotes"
    }
    return "moontide explain \(HostCode.query.code)"
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

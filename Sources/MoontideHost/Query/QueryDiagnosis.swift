import MoontideCore
import MoontideSQLite

/// What a query's error means for who asked it.
struct QueryDiagnosis {
  let request: QueryRequest
  /// What was run in the place of the request's text.
  let sent: AttachedNames?
  /// What the query could name, beside system tables.
  let models: [QueryCatalog.Model]
  /// What kept other read models from being read.
  let unreadable: [Diagnostic]
  /// The name that a read model has now which had this one before; nil when it never had another.
  let newName: (String) -> String?

  func diagnostic(_ error: QueryError) -> Diagnostic {
    switch error {
    case .wrong(let message, let place, let suggestion):
      let byteOffset = place.map { sent?.original($0) ?? $0 }
      return wrong(
        message, byteOffset.map { QuerySession.place(in: request.sql, byteOffset: $0) }, suggestion)
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

  private func wrong(_ message: String, _ place: SourcePlace?, _ suggestion: String?) -> Diagnostic {
    if let missing = QueryDiagnosis.missing(message), let stranger = noSuchModel(missing, place) {
      return stranger
    }
    let message = AttachedNames.readable(message)
    var wrong = Diagnostic(
      .query, message, at: place,
      help: suggestion.map { "did you mean \($0)?" } ?? QueryDiagnosis.help(message))
    if message.hasPrefix(QueryDiagnosis.noSuchTable) {
      // What the system is short of must not look as if there were no such table.
      if let short = unreadable.first(where: \.isPassing) { return short }
      wrong.details += unreadable.map { .init("note", "\($0.title); moontide doctor") }
    }
    return wrong
  }

  private static let noSuchTable = "no such table"

  /// Read model and table that a message says there are none of; nil when it names no read model.
  private static func missing(_ message: String) -> (model: String, table: String)? {
    guard message.hasPrefix("\(noSuchTable): ") else { return nil }
    let parts = message.dropFirst(noSuchTable.count + 2).split(separator: ".", maxSplits: 1)
    return parts.count == 2 ? (String(parts[0]), String(parts[1])) : nil
  }

  /// Nil when there is one, or may be one that cannot be read.
  private func noSuchModel(_ missing: (model: String, table: String), _ place: SourcePlace?) -> Diagnostic? {
    let (name, table) = (missing.model.lowercased(), missing.table.lowercased())
    guard unreadable.isEmpty, !["sys", "main", "temp"].contains(name), AttachedNames.parts(of: name) == nil,
      !models.contains(where: { $0.name.lowercased() == name })
    else { return nil }
    let help: String
    if let now = newName(missing.model), models.contains(where: { $0.name == now }) {
      help = "it was renamed: its tables are \(now).\(missing.table) and so on"
    } else if let near = models.first(where: { model in
      model.tables.contains { $0.lowercased() == table }
    })
      ?? Suggestion.nearest(to: missing.model, among: models.map(\.name)).flatMap({ near in
        models.first { $0.name == near }
      })
    {
      help = "did you mean \(near.name).\(missing.table)?"
    } else {
      help = QueryDiagnosis.help(QueryDiagnosis.noSuchTable)
    }
    return Diagnostic(.query, "there is no read model \(missing.model)", at: place, help: help)
  }

  /// The next step after what SQLite says.
  private static func help(_ message: String) -> String {
    if message.hasPrefix(noSuchTable) {
      return "moontide query \"select * from sys.handlers\" lists the read models; each is a schema with its "
        + "tables"
    }
    if message.hasPrefix("no such column") {
      return "select * from the table shows its columns; text stands in single quotes"
    }
    return "moontide explain \(HostCode.query.code)"
  }
}

import CSQLite
import MoontideCore

/// Decides what a statement may do while SQLite compiles it. One for each connection.
///
/// SQLite asks through a C callback that gets a bare pointer to this object, which the connection outlives.
final class Authorizer {
  enum Rule {
    /// Our own statements.
    case trusted
    /// A projection's schema: tables, indexes, views, FTS5.
    case schema
    /// `db:query` and `db:exec`: rows of the handler's own tables.
    case rows
    /// `query` and the REPL: reading only.
    case reading
  }

  var rule = Rule.trusted
  /// In `schema`: the statement is running, so what is asked for comes from SQLite and FTS5 themselves.
  var isRunning = false
  /// Lower-case names of full-text tables that a statement under `rows` changed.
  var changedFullText: Set<String> = []
  var fullTextTables: Set<String> = []
  /// In `reading`: called for every table that is read; a text refuses it.
  var readable: ((_ schema: String, _ table: String) -> String?)?
  private var refusal: String?

  func install(on handle: OpaquePointer) {
    sqlite3_set_authorizer(
      handle,
      { context, action, first, second, third, _ in
        guard let context else { return SQLITE_DENY }
        let authorizer = Unmanaged<Authorizer>.fromOpaque(context).takeUnretainedValue()
        if authorizer.rule == .trusted { return SQLITE_OK }
        return authorizer.decide(
          action, first.map { String(cString: $0) } ?? "", second.map { String(cString: $0) } ?? "",
          third.map { String(cString: $0) } ?? "")
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  /// Why the last statement was refused, once.
  func takeRefusal() -> String? {
    defer { refusal = nil }
    return refusal
  }

  /// The next error of the connection is told with this text.
  func refuse(_ text: String) { refusal = text }

  /// Runs `body` under a rule, then goes back to trusting.
  func under<R>(_ rule: Rule, _ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    self.rule = rule
    refusal = nil
    defer {
      self.rule = .trusted
      isRunning = false
    }
    return try body()
  }

  private func decide(_ action: Int32, _ first: String, _ second: String, _ schema: String) -> Int32 {
    let reason =
      switch rule {
      case .trusted: String?.none
      case .schema: schemaRefusal(action, first, second)
      case .rows: rowsRefusal(action, first, second)
      case .reading: readingRefusal(action, first, second, schema)
      }
    guard let reason else { return SQLITE_OK }
    if refusal == nil { refusal = reason }
    return SQLITE_DENY
  }

  private func schemaRefusal(_ action: Int32, _ first: String, _ second: String) -> String? {
    if isRunning { return nil }
    switch action {
    case SQLITE_CREATE_TABLE, SQLITE_CREATE_INDEX, SQLITE_CREATE_VIEW: return nameRefusal(first)
    case SQLITE_CREATE_VTABLE:
      return second.lowercased() == "fts5"
        ? nameRefusal(first) : "a virtual table may only use fts5, not \(second)"
    case SQLITE_READ, SQLITE_REINDEX: return nil
    case SQLITE_INSERT, SQLITE_UPDATE, SQLITE_DELETE:
      return first.hasPrefix("sqlite_") ? nil : "a schema only creates; rows are the handlers' work"
    case SQLITE_FUNCTION: return SQLFunctions.refusal(second, clocks: false)
    case SQLITE_SELECT: return "a schema creates empty tables: no create table … as select"
    case SQLITE_CREATE_TRIGGER, SQLITE_CREATE_TEMP_TRIGGER: return "triggers are not allowed in a schema"
    case SQLITE_CREATE_TEMP_TABLE, SQLITE_CREATE_TEMP_INDEX, SQLITE_CREATE_TEMP_VIEW:
      return "temporary tables are not allowed in a schema"
    case SQLITE_PRAGMA: return "pragma \(first) is not allowed in a schema"
    case SQLITE_ATTACH, SQLITE_DETACH: return "attach and detach are not allowed"
    default: return "a schema may only create tables, indexes, views and FTS5 tables"
    }
  }

  private func nameRefusal(_ name: String) -> String? {
    ReservedNames.refusal(name)
  }

  private func rowsRefusal(_ action: Int32, _ first: String, _ second: String) -> String? {
    switch action {
    case SQLITE_SELECT, SQLITE_RECURSIVE: return nil
    case SQLITE_READ:
      return own(first) || first.isEmpty ? nil : "\(first) is not one of this projection's tables"
    case SQLITE_INSERT, SQLITE_UPDATE, SQLITE_DELETE:
      guard own(first) else { return "\(first) is not one of this projection's tables" }
      let name = first.lowercased()
      if fullTextTables.contains(name) { changedFullText.insert(name) }
      return nil
    case SQLITE_FUNCTION: return SQLFunctions.refusal(second, clocks: false)
    // FTS5 asks for it while it reads its own tables.
    case SQLITE_PRAGMA where first == "data_version": return nil
    case SQLITE_PRAGMA: return "pragma \(first) is not allowed here"
    case SQLITE_ATTACH, SQLITE_DETACH: return "attach and detach are not allowed"
    case SQLITE_TRANSACTION, SQLITE_SAVEPOINT:
      return "an event is one transaction already: no begin, commit, rollback or savepoint"
    default: return "only select, insert, update and delete are allowed here; tables are made by the schema"
    }
  }

  private func own(_ table: String) -> Bool {
    let name = table.lowercased()
    return !name.hasPrefix("_mt_") && !name.hasPrefix("sqlite_")
  }

  private func readingRefusal(
    _ action: Int32, _ first: String, _ second: String, _ schema: String
  ) -> String? {
    switch action {
    case SQLITE_SELECT, SQLITE_RECURSIVE: return nil
    case SQLITE_READ: return readable?(schema, first)
    case SQLITE_FUNCTION: return SQLFunctions.refusal(second, clocks: true)
    case SQLITE_PRAGMA where first == "data_version": return nil
    default: return "queries only read: this statement is not a select"
    }
  }
}

/// Names that a schema may not use.
enum ReservedNames {
  static func refusal(_ name: String) -> String? {
    let lower = name.lowercased()
    if ["main", "temp", "sys"].contains(lower) {
      return "a table may not be named \(name): the name is taken"
    }
    if lower.hasPrefix("_mt_") { return "names that begin with _mt_ are the runtime's own, not \(name)" }
    return nil
  }
}

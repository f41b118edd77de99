import CSQLite
public import MoontideCore

/// Read-only SQL over read models and system tables: for `query` and the REPL. Owned by one thread.
///
/// A connection of its own, in memory, to which a query's read models are attached while it runs. An
/// authorizer allows reading and pure functions only; a progress handler watches the deadline and a
/// cancellation.
public final class QueryEngine {
  public struct Bounds: Sendable {
    public var time: Duration
    public var rows: Int
    public var bytes: Int
    public init(
      time: Duration = Limits.queryTimeDefault, rows: Int = Limits.queryRowsMax,
      bytes: Int = Limits.queryBytesMax
    ) {
      self.time = time
      self.rows = rows
      self.bytes = bytes
    }
  }

  /// May be changed between queries.
  public var catalog: QueryCatalog
  /// Makes the file of a model that a query names, for models that are not made before; asked before each
  /// time that one is attached. Its time does not count as the query's.
  public var provide: ((QueryCatalog.Model) throws(StoreError) -> String)?
  private let connection: Connection
  private let registry = SystemTableModule.Registry()
  private let clock: any WallClock
  private var attached: [String] = []
  private static let provideTries = 3

  /// `tables` are shown as `sys.NAME`. Throws what SQLite says when it cannot open a connection in memory.
  public init(
    _ catalog: QueryCatalog, tables: [any SystemTable] = [], clock: any WallClock
  ) throws(StoreError) {
    self.catalog = catalog
    self.clock = clock
    connection = try Connection("query", .memory)
    for table in tables { registry.tables[table.name.lowercased()] = table }
    SystemTableModule.register(registry, on: connection)
    sqlite3_limit(connection.handle, SQLITE_LIMIT_LENGTH, Limits.storeValueBytesMax)
    sqlite3_limit(connection.handle, SQLITE_LIMIT_WORKER_THREADS, 0)
    try connection.script("pragma temp_store=memory; pragma foreign_keys=off;")
    try connection.meetTableFunctions()
    BoundedFunctions.install(on: connection)
  }

  /// Runs one statement. `columns` is called once with the names; `row` for each row, with a buffer that is
  /// used again; it returns false to stop. `values` are bound to the statement's parameters in order.
  public func run(
    _ sql: String, values: RowBuffer = RowBuffer(), bounds: Bounds = Bounds(),
    cancellation: QueryCancellation? = nil, columns: ([String]) -> Void, row: (RowBuffer) -> Bool
  ) throws(QueryError) {
    let watch = QueryGuard(clock: clock, limit: bounds.time, cancellation: cancellation)
    registry.guardian = watch
    watch.install(on: connection.handle)
    defer {
      sqlite3_progress_handler(connection.handle, 0, nil, nil)
      registry.guardian = nil
      detachAll()
    }
    guard sql.utf8.count <= Limits.queryTextBytesMax else {
      let message = "a query has at most \(Limits.queryTextBytesMax) bytes, not \(sql.utf8.count)"
      throw .wrong(message: message, byteOffset: nil, suggestion: nil)
    }
    let words = SQLWords(sql)
    try checkSingle(words)
    let statement = try prepare(sql, words, watch)
    columns(statement.columnNames)
    var rows = 0
    var bytes = 0
    let buffer = RowBuffer()
    do throws(StoreError) {
      try values.withSpan { (span) throws(StoreError) in
        for index in 0..<min(span.count, statement.parameterCount) {
          try statement.bind(index + 1, span[index], span.bytes)
        }
        try connection.authorizer.under(.reading) { () throws(StoreError) in
          // The progress handler watches loops, this what takes long without one.
          try watch.bounded(connection) { () throws(StoreError) in
            while try statement.step() {
              buffer.removeAll()
              statement.read(into: buffer)
              rows += 1
              bytes += buffer.bytes.count + buffer.cells.count * 8
              if rows > bounds.rows || bytes > bounds.bytes || !row(buffer) { break }
            }
          }
        }
      }
      statement.reset()
    } catch { throw failure(error, sql, words, watch) }
    if rows > bounds.rows { throw .tooManyRows(limit: bounds.rows) }
    if bytes > bounds.bytes { throw .tooManyBytes(limit: bounds.bytes) }
  }

  private func checkSingle(_ words: SQLWords) throws(QueryError) {
    guard let first = words.tokens.first else {
      throw .wrong(message: "an empty query", byteOffset: nil, suggestion: nil)
    }
    // The authorizer is what keeps queries from writing; this is for statements that do nothing it is asked
    // about.
    guard ["select", "with", "values", "explain"].contains(first.text.lowercased()) || first.kind == .symbol
    else {
      throw .wrong(
        message: "queries only read: a query begins with select, with, values or explain, not \(first.text)",
        byteOffset: first.range.lowerBound, suggestion: nil)
    }
    let isEnd = { (token: SQLWords.Token) in token.kind == .symbol && token.text == ";" }
    if let end = words.tokens.firstIndex(where: isEnd),
      let more = words.tokens[end...].first(where: { !isEnd($0) })
    {
      throw .wrong(
        message: "one statement at a time: there is more after the semicolon",
        byteOffset: more.range.lowerBound, suggestion: nil)
    }
  }

  // MARK: Names

  /// Prepares, attaching what SQLite misses until nothing new can be attached.
  private func prepare(
    _ sql: String, _ words: SQLWords, _ watch: QueryGuard
  ) throws(QueryError) -> Statement {
    var ambiguous: String?
    connection.authorizer.readable = { [catalog] schema, table in
      let lower = table.lowercased()
      if schema == "main" || schema == "temp" || schema.isEmpty { return nil }
      if lower.hasPrefix("_mt_"), !words.names(table, in: schema) { return "no such table: \(table)" }
      if catalog.models(with: table).count > 1, !words.names(table, in: schema) { ambiguous = table }
      return nil
    }
    defer { connection.authorizer.readable = nil }
    while true {
      do throws(StoreError) {
        let statement = try connection.authorizer.under(.reading) { () throws(StoreError) in
          // Compiling asks no progress handler.
          try watch.bounded(connection) { () throws(StoreError) in try connection.prepare(sql) }
        }
        if let ambiguous {
          throw QueryEngine.ambiguity(ambiguous, catalog)
        }
        return statement
      } catch {
        if let ambiguous { throw .ambiguous(name: ambiguous, candidates: candidates(ambiguous)) }
        guard let missing = QueryEngine.missingTable(error), try attach(missing, watch) else {
          throw failure(error, sql, words, watch)
        }
      }
    }
  }

  private static func ambiguity(_ name: String, _ catalog: QueryCatalog) -> StoreError {
    .refused("the table \(name) is in several read models")
  }

  private func candidates(_ table: String) -> [String] {
    catalog.models(with: table).map { "\($0.name).\(table)" }
  }

  /// The name in SQLite's "no such table: X" or "no such table: X.Y".
  private static func missingTable(_ error: StoreError) -> String? {
    let start = "no such table: "
    guard case .refused(let text) = error, text.hasPrefix(start) else { return nil }
    return String(text.dropFirst(start.count))
  }

  /// Attaches the database that has the missing table; false when there is none, or it is attached already.
  private func attach(_ name: String, _ watch: QueryGuard) throws(QueryError) -> Bool {
    let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
    if parts.count == 2 {
      if parts[0].lowercased() == "sys" { return try attachSystem() }
      guard let model = catalog.model(parts[0]) else { return false }
      return try attach(model, watch)
    }
    let found = catalog.models(with: name)
    if found.count > 1 { throw .ambiguous(name: name, candidates: candidates(name)) }
    if let model = found.first { return try attach(model, watch) }
    return registry.tables[name.lowercased()] != nil ? try attachSystem() : false
  }

  private func attach(_ model: QueryCatalog.Model, _ watch: QueryGuard) throws(QueryError) -> Bool {
    guard !attached.contains(model.name.lowercased()) else { return false }
    guard attached.count < Limits.attachedMax else { throw .tooManyModels(limit: Limits.attachedMax) }
    try open(model, watch, triesLeft: QueryEngine.provideTries)
    // A virtual table declares its columns when it is first met, which the authorizer would refuse as a
    // creation.
    do throws(StoreError) {
      let schema = quoted(model.name)
      let list = try connection.prepare(
        "select name from \(schema).sqlite_schema where type = 'table' and rootpage = 0")
      while try list.step() { _ = try connection.prepare("select * from \(schema).\(quoted(list.text(0)))") }
      return true
    } catch { throw .store(error) }
  }

  /// A file that was made for the query may be gone before it is attached: somebody else tidied up.
  private func open(
    _ model: QueryCatalog.Model, _ watch: QueryGuard, triesLeft: Int
  ) throws(QueryError) {
    guard let provide else {
      try attach(model.name, path: model.path)
      return
    }
    let path: String
    do throws(StoreError) { path = try watch.paused { () throws(StoreError) in try provide(model) } } catch {
      throw .store(error)
    }
    do throws(QueryError) { try attach(model.name, path: path) } catch {
      guard case .store(.io) = error, triesLeft > 1 else { throw error }
      try open(model, watch, triesLeft: triesLeft - 1)
    }
  }

  /// The file that has the name now, with the write-ahead log that belongs to it.
  private func attach(_ name: String, path: String) throws(QueryError) {
    for attempt in 1...Limits.movedFileTriesMax {
      // Attaching reads the schema, and so opens both.
      try SwapLock.opening(path) { () throws(QueryError) in
        _ = try attach(name, uri: ReadOnlyAddress.of(path))
      }
      guard connection.hasMoved(name), attempt < Limits.movedFileTriesMax else { return }
      do throws(StoreError) { try connection.script("detach \(quoted(name))") } catch { throw .store(error) }
      attached.removeAll { $0 == name.lowercased() }
    }
  }

  private func attachSystem() throws(QueryError) -> Bool {
    guard try attach("sys", uri: ":memory:") else { return false }
    do throws(StoreError) {
      for name in registry.tables.keys.sorted() {
        try connection.script("create virtual table sys.\(quoted(name)) using \(SystemTableModule.name)")
      }
      return true
    } catch { throw .store(error) }
  }

  @discardableResult
  private func attach(_ name: String, uri: String) throws(QueryError) -> Bool {
    let lower = name.lowercased()
    if attached.contains(lower) { return false }
    guard attached.count < Limits.attachedMax else { throw .tooManyModels(limit: Limits.attachedMax) }
    do throws(StoreError) {
      let attach = try connection.statement("attach ?1 as \(quoted(name))")
      attach.bind(1, text: uri)
      try attach.finish()
      attached.append(lower)
      return true
    } catch { throw .store(error) }
  }

  private func detachAll() {
    for name in attached {
      do { try connection.script("detach \(quoted(name))") } catch {
        preconditionFailure("\(name) does not detach: \(error.text)")
      }
    }
    attached.removeAll()
  }

  // MARK: Errors

  private func failure(
    _ error: StoreError, _ sql: String, _ words: SQLWords, _ watch: QueryGuard
  ) -> QueryError {
    if let reason = watch.reason { return reason }
    if watch.statement.isLate { return .timedOut(after: watch.limit) }
    if watch.statement.isShort { return .tooMuchMemory(limit: Limits.queryMemoryMax) }
    guard case .refused(let message) = error else { return .store(error) }
    let named =
      message.split(separator: ":", maxSplits: 1).last.map { String($0).trimmingCharacters(" ") } ?? ""
    let last = named.split(separator: ".").last.map(String.init) ?? named
    let offset = connection.errorOffset ?? words.place(of: last)?.lowerBound
    return .wrong(message: message, byteOffset: offset, suggestion: suggestion(message, last))
  }

  private func suggestion(_ message: String, _ name: String) -> String? {
    if message.hasPrefix("no such table") {
      return Suggestion.nearest(
        to: name, among: catalog.models.flatMap { $0.tables } + registry.tables.keys.sorted())
    }
    guard message.hasPrefix("no such column") else { return nil }
    do throws(StoreError) {
      var columns: [String] = []
      for schema in attached {
        let list = try connection.prepare(
          "select i.name from pragma_table_list l, pragma_table_xinfo(l.name, l.schema) i where l.schema = ?1"
        )
        list.bind(1, text: schema)
        while try list.step() { columns.append(list.text(0)) }
      }
      return Suggestion.nearest(to: name, among: columns)
    } catch {
      // Only a help is lost: the fault itself is told.
      return nil
    }
  }
}

extension String {
  func trimmingCharacters(_ set: String) -> String {
    var text = self[...]
    while let first = text.first, set.contains(first) { text = text.dropFirst() }
    while let last = text.last, set.contains(last) { text = text.dropLast() }
    return String(text)
  }
}

import CSQLite
public import MoontideCore

/// The rows of one table or view, one after another, in an order that two files agree on. Owned by the thread
/// of its reader, which nobody may write to meanwhile.
public final class RowCursor {
  /// The row that it stands on: one cell a column, valid until `next`.
  public let row = RowBuffer()
  private let statement: Statement
  private let connection: Connection
  private let watch: QueryGuard?

  init(_ statement: Statement, of connection: Connection, watch: QueryGuard?) {
    self.statement = statement
    self.connection = connection
    self.watch = watch
    watch?.install(on: connection.handle)
  }

  deinit {
    if watch != nil { sqlite3_progress_handler(connection.handle, 0, nil, nil) }
  }

  /// Moves to the next row; false at the end. Throws `refused` when its time is over.
  public func next() throws(StoreError) -> Bool {
    row.removeAll()
    do throws(StoreError) {
      guard try statement.step() else { return false }
    } catch {
      guard let watch, watch.reason != nil else { throw error }
      throw .refused("it takes longer than \(watch.limit / .seconds(1)) s")
    }
    statement.read(into: row)
    return true
  }
}

extension StoreReader {
  /// Some columns of all rows, by key and then by the other columns, whatever collations the schema has.
  /// A view needs `relations` before: it calls the functions that schemas have.
  /// - Parameters:
  ///   - key: indexes into `columns`; empty: the rows are told apart by all their values, an integer before
  ///     the real of its value.
  ///   - isSorted: nothing is taken from an index, whose order a damaged file may not have.
  ///   - limit: of the time in all; nil for a table.
  public func rows(
    of table: String, columns: [String], key: [Int], isSorted: Bool = false, within limit: Duration? = nil,
    clock: any WallClock
  ) throws(StoreError) -> RowCursor {
    let rest = columns.indices.filter { !key.contains($0) }
    let terms = (key + rest).flatMap { column in
      let name = quoted(columns[column])
      let term = (isSorted ? "+" : "") + name + " collate binary"
      return key.isEmpty ? [term, "typeof(\(name))"] : [term]
    }
    let names = columns.map(quoted).joined(separator: ", ")
    let statement = try connection.prepare(
      "select \(names) from \(quoted(table)) order by \(terms.joined(separator: ", "))")
    let watch = limit.map { QueryGuard(clock: clock, limit: $0, cancellation: nil) }
    return RowCursor(statement, of: connection, watch: watch)
  }

  /// How many rows a table has, and how many of its values are not NULL in each of some columns.
  public func counts(
    of table: String, columns: [String]
  ) throws(StoreError) -> (rows: UInt64, values: [UInt64]) {
    let terms = ["count(*)"] + columns.map { "count(\(quoted($0)))" }
    let count = try connection.prepare("select \(terms.joined(separator: ", ")) from \(quoted(table))")
    guard try count.step() else { return (0, []) }
    return (UInt64(count.integer(0)), columns.indices.map { UInt64(count.integer($0 + 1)) })
  }

  /// A table, or a view, of the schema as it is stored.
  public struct Relation: Sendable, Hashable {
    /// A view has no key.
    public var table: StoreTable
    public var isView: Bool
    /// Among the tables, or the views, in the order of the schema.
    public var place: Int
    /// The words of the text that made it: blanks and comments change nothing.
    public var words: [String]
  }

  /// The handler's own tables and then its views, in the order of the schema.
  public func relations() throws(StoreError) -> [Relation] {
    DateFunctions.install(on: connection)
    BoundedFunctions.install(on: connection)
    var found = try TableShape.all(in: connection).enumerated().map { place, shape in
      Relation(
        table: shape.table, isView: false, place: place, words: SQLWords(shape.sql).tokens.map { $0.text })
    }
    var views: [(name: String, sql: String)] = []
    let list = try connection.statement(
      "select name, ifnull(sql, '') from sqlite_schema where type = 'view' order by rowid")
    while try list.step() { views.append((list.text(0), list.text(1))) }
    list.reset()
    for (place, view) in views.enumerated() {
      let columns = try connection.prepare("select * from \(quoted(view.name))").columnNames
      found.append(
        Relation(
          table: StoreTable(name: view.name, columns: columns, keyColumns: []), isView: true, place: place,
          words: SQLWords(view.sql).tokens.map { $0.text }))
    }
    return found
  }

  /// The dead letters as rows: position, then code and message.
  public func deadLetterRows(clock: any WallClock) throws(StoreError) -> RowCursor {
    try rows(of: "_mt_dead", columns: ["position", "code", "message"], key: [0], clock: clock)
  }

  /// The dead letter of one position.
  public func deadLetter(at position: Position) throws(StoreError) -> DeadLetter? {
    try Bookkeeping(connection: connection).deadLetters(at: position).first
  }
}

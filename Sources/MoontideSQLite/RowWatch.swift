import CSQLite
public import MoontideCore

/// Sees every row of a projection's own tables that changes, with its values before and after, whichever way
/// it is written: `put`, `update`, `delete`, `add` and SQL. Rows of full-text tables are seen as such. From
/// `ProjectionStore.watch`; owned by the store's thread, and kept alive by the store.
///
/// It only gathers: whoever handles events empties it between them, and takes back what a rollback undid.
public final class RowWatch {
  /// A place to go back to.
  public struct Mark: Sendable {
    var changes = 0
    var cells = 0
    var bytes = 0
    var reads = 0

    /// Where nothing was gathered.
    public init() {}

    fileprivate init(_ changes: Int, _ cells: Int, _ bytes: Int, _ reads: Int) {
      (self.changes, self.cells, self.bytes, self.reads) = (changes, cells, bytes, reads)
    }
  }

  /// The store's tables.
  public let tables: [StoreTable]
  /// Since `removeAll`, in the order in which they happened.
  public private(set) var changes: [RowChange] = []
  /// What the script read, as far as it is asked for.
  public private(set) var reads: [RowRead] = []
  public var tracksReads = false
  /// Of `changes`.
  public let cells = RowBuffer()
  /// Lines that wrote; grows to as many as the scripts have.
  public private(set) var lines: [ScriptLine] = []
  /// Only changes of these tables are gathered; nil: of all.
  public var wanted: Set<Int>?
  /// Asked at each change whether it is gathered; nil: yes.
  public var keeps: ((RowChange) -> Bool)?
  /// Asked at each change that is gathered which line of the script is writing.
  public var locate: (() -> ScriptLine?)?

  /// In a transaction of the handler: an index that is written anew between two changes no row.
  var isOpen = false
  private let handle: OpaquePointer
  private let watched: [String: WatchedTable]
  /// The table that was told of last, by the address of its name in SQLite's schema.
  private var lastName: UnsafePointer<CChar>?
  private var last: WatchedTable?
  /// Of full-text tables whose values are kept nowhere: keys by rowid.
  private var keys: [Int: [Int64: [UInt8]]] = [:]
  private var lineNumbers: [ScriptLine: Int] = [:]
  /// Changes from here on are of the running statement.
  private var statementStart = 0
  private var givesBack = false

  init(_ shapes: [TableShape], _ connection: Connection) throws(StoreError) {
    tables = shapes.map { $0.table }
    handle = connection.handle
    watched = try WatchedTable.all(shapes, in: connection)
    for (name, table) in watched where table.source == .map {
      let list = try connection.prepare("select key, id from \(quoted(name))")
      while try list.step() { keys[table.table, default: [:]][list.integer(1)] = list.bytes(0) }
    }
    let isWatching = mt_watch_rows(
      handle,
      { context, _, operation, _, name, old, new in
        guard let context, let name else { return }
        Unmanaged<RowWatch>.fromOpaque(context).takeUnretainedValue().changing(operation, name, old, new)
      }, Unmanaged.passUnretained(self).toOpaque())
    guard isWatching != 0 else {
      throw .refused("this SQLite was built without its pre-update hook, which tells of rows that change")
    }
  }

  deinit { _ = mt_watch_rows(handle, nil, nil) }

  /// Where the changes stand now.
  public var mark: Mark {
    Mark(changes.count, cells.cells.count, cells.bytes.count, reads.count)
  }

  /// Forgets what came since the mark.
  public func undo(to mark: Mark) {
    changes.removeSubrange(mark.changes...)
    cells.cells.removeSubrange(mark.cells...)
    cells.bytes.removeSubrange(mark.bytes...)
    reads.removeSubrange(mark.reads...)
    statementStart = changes.count
  }

  public func removeAll() {
    changes.removeAll(keepingCapacity: true)
    cells.removeAll()
    reads.removeAll(keepingCapacity: true)
    statementStart = 0
  }

  /// The cells of a row, one a column.
  public func row(_ change: RowChange, at start: Int?) -> ArraySlice<Cell> {
    guard let start else { return [] }
    return cells.cells[start..<start + tables[change.table].columns.count]
  }

  /// A statement of a script begins.
  @inline(__always)
  func begin() {
    statementStart = changes.count
    givesBack = false
  }

  /// One that is SQL of the script: it may give back what it changes, and reads whole tables where it
  /// selects.
  func begin(sql text: String) {
    begin()
    guard tracksReads else { return }
    let words = Set(SQLWords(text).words.map { $0.lowercased() })
    givesBack = words.contains("returning")
    guard words.contains("select") else { return }
    let named = tables.indices.filter { words.contains(tables[$0].name.lowercased()) }
    // None by name: a view.
    for table in named.isEmpty ? Array(tables.indices) : named { reads.append(.init(table: table, key: nil)) }
  }

  /// A row operation that tells the script something of a row. Whether a row was there to be changed is no
  /// more than most scripts want to know.
  func note(_ operation: RowOperation, table: Int, _ arguments: RowBuffer, _ result: RowBuffer) {
    let keys = tables[table].keyColumns
    switch operation {
    case .put, .add, .update, .delete: break
    case .get:
      let count = max(1, keys.count)
      guard arguments.cells.count >= count else { return }
      let key = RowRead.key(table, arguments.cells[..<count], arguments.bytes)
      reads.append(RowRead(table: table, key: key))
    case .each:
      let width = tables[table].columns.count
      reads.append(RowRead(table: table, key: nil, isOfMatching: !keys.isEmpty))
      guard !keys.isEmpty else { return }
      for start in stride(from: 0, to: result.cells.count, by: width) {
        let cells = keys.map { result.cells[start + $0] }
        reads.append(RowRead(table: table, key: RowRead.key(table, cells[...], result.bytes)))
      }
    }
  }

  /// What the key of a changed row is in `RowRead`; nil in a table without one.
  public func key(_ change: RowChange, at start: Int?) -> Int? {
    let keys = tables[change.table].keyColumns
    guard let start else { return nil }
    guard !keys.isEmpty else {
      return change.rowID.map { RowRead.key(change.table, [.integer($0)], []) }
    }
    return RowRead.key(change.table, keys.map { cells.cells[start + $0] }[...], cells.bytes)
  }

  // MARK: What SQLite tells

  private func changing(_ operation: Int32, _ name: UnsafePointer<CChar>, _ old: Int64, _ new: Int64) {
    if !isOpen { return }
    if name != lastName {
      lastName = name
      last = watched[String(cString: name).lowercased()]
    }
    guard let table = last else { return }
    if table.source == .map { return mapChanging(operation, table) }
    if table.source == .sizes, isWrittenTwice(table, operation == SQLITE_DELETE ? old : new) { return }
    if let wanted, !wanted.contains(table.table) { return }
    var change = RowChange(
      table: table.table,
      operation: operation == SQLITE_INSERT ? .insert : operation == SQLITE_UPDATE ? .update : .delete,
      rowID: table.hasRowID ? (operation == SQLITE_DELETE ? old : new) : nil, old: nil, new: nil, line: -1)
    if operation != SQLITE_INSERT { change.old = take(table, old, isNew: false, operation) }
    if operation != SQLITE_DELETE { change.new = take(table, new, isNew: true, operation) }
    if tracksReads, givesBack, let key = key(change, at: change.old) {
      reads.append(RowRead(table: change.table, key: key))
    }
    if let keeps, !keeps(change) { return forget(change) }
    if let line = locate?() { change.line = number(of: line) }
    if !joins(change, table) { changes.append(change) }
  }

  /// FTS5 writes the sizes of a row once without them, and then replaces them.
  private func isWrittenTwice(_ table: WatchedTable, _ id: Int64) -> Bool {
    guard changes.count > statementStart, let last = changes.last else { return false }
    return last.table == table.table && last.rowID == id && last.operation != .delete
  }

  /// The cells that were just taken.
  private func forget(_ change: RowChange) {
    guard let start = change.old ?? change.new else { return }
    let taken = cells.cells[start...].filter { $0.kind == .text || $0.kind == .blob }
    cells.cells.removeSubrange(start...)
    if let first = taken.first { cells.bytes.removeSubrange(Int(first.part.start)...) }
  }

  private func take(_ table: WatchedTable, _ id: Int64, isNew: Bool, _ operation: Int32) -> Int {
    let start = cells.cells.count
    if table.source == .sizes {
      for column in 0..<table.width {
        guard table.keyColumns == [column], let key = keys[table.table]?[id] else {
          cells.cells.append(.absent)
          continue
        }
        let part = cells.bytes.appendPart(key, ByteRange(start: 0, count: key.count))
        cells.cells.append(Cell(kind: .text, part: part))
      }
      return start
    }
    // Of a table without rowids SQLite finds columns by where they were declared, but for new values of an
    // update, which lie in its registers.
    let places = table.hasRowID || (isNew && operation == SQLITE_UPDATE) ? table.stored : table.declared
    for (column, place) in places.enumerated() {
      let value = isNew ? mt_new_value(handle, place) : mt_old_value(handle, place)
      cells.cells.append(cell(value, isReal: table.isReal[column]))
    }
    return start
  }

  private func cell(_ value: OpaquePointer?, isReal: Bool) -> Cell {
    guard let value else { return .null }
    switch sqlite3_value_type(value) {
    case SQLITE_INTEGER:
      let number = sqlite3_value_int64(value)
      return isReal ? .real(Double(number)) : .integer(number)
    case SQLITE_FLOAT: return .real(sqlite3_value_double(value))
    case SQLITE_NULL: return .null
    case let type:
      let start = sqlite3_value_blob(value)
      let count = Int(sqlite3_value_bytes(value))
      let part = ByteRange(start: cells.bytes.count, count: count)
      if let start, count > 0 {
        cells.bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: count))
      }
      return Cell(kind: type == SQLITE_TEXT ? .text : .blob, part: part)
    }
  }

  private func number(of line: ScriptLine) -> Int {
    if let known = lineNumbers[line] { return known }
    lineNumbers[line] = lines.count
    lines.append(line)
    return lines.count - 1
  }

  /// A row that a statement takes away and puts back at once was changed: that is how `replace` and FTS5 do.
  private func joins(_ change: RowChange, _ table: WatchedTable) -> Bool {
    guard change.operation == .insert, changes.count > statementStart, let before = changes.last,
      before.operation == .delete, before.table == change.table, let old = before.old, let new = change.new
    else { return false }
    if table.keyColumns.isEmpty || table.source != .rows {
      guard before.rowID == change.rowID else { return false }
    } else {
      for column in table.keyColumns where !isSame(cells.cells[old + column], cells.cells[new + column]) {
        return false
      }
    }
    changes[changes.count - 1].operation = .update
    changes[changes.count - 1].new = new
    changes[changes.count - 1].rowID = change.rowID
    return true
  }

  private func isSame(_ one: Cell, _ other: Cell) -> Bool {
    guard one.kind == other.kind else { return false }
    guard one.kind == .text || one.kind == .blob else { return one.bits == other.bits }
    return cells.bytes.equals(one.part, cells.bytes, other.part)
  }

  /// Keys of rows whose values are kept nowhere. A full-text table is written first, its map behind it, so a
  /// new row learns its key here.
  private func mapChanging(_ operation: Int32, _ table: WatchedTable) {
    func key(_ value: OpaquePointer?) -> [UInt8] {
      guard let value, let start = sqlite3_value_blob(value) else { return [] }
      return [UInt8](UnsafeRawBufferPointer(start: start, count: Int(sqlite3_value_bytes(value))))
    }
    if operation != SQLITE_INSERT, let id = mt_old_value(handle, 1) {
      keys[table.table]?[sqlite3_value_int64(id)] = nil
    }
    guard operation != SQLITE_DELETE, let value = mt_new_value(handle, 1) else { return }
    let (id, bytes) = (sqlite3_value_int64(value), key(mt_new_value(handle, 0)))
    keys[table.table, default: [:]][id] = bytes
    guard let column = table.keyColumns.first else { return }
    for change in changes[statementStart...] where change.table == table.table && change.rowID == id {
      guard let new = change.new, cells.cells[new + column].kind == .absent else { continue }
      cells.cells[new + column] = Cell(
        kind: .text, part: cells.bytes.appendPart(bytes, ByteRange(start: 0, count: bytes.count)))
    }
  }
}

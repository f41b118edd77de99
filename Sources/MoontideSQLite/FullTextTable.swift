import MoontideCore

/// Row operations on an FTS5 table. FTS5 has no index on an UNINDEXED column, so `_mt_fts_NAME` maps each key
/// to its rowid. A rowid stays with its key until the row is deleted.
///
/// SQL of the script may change the table past this map. The map is then marked stale in `_mt_meta` and made
/// anew before the next operation that needs it, so that what is stored depends on the operations alone.
final class FullTextTable: RowTable {
  let shape: TableShape
  private let connection: Connection
  private let sql: RowSQL
  private let keyColumn: Int?
  private let width: Int
  private let map: String
  private let slots = StatementSlots()
  /// Nil until it is read from the file; forgotten by a rollback.
  private var isStale: Bool?
  private var isMarkedUnsettled = false

  init(_ shape: TableShape, _ connection: Connection) {
    self.shape = shape
    self.connection = connection
    sql = RowSQL(shape: shape)
    keyColumn = shape.table.keyColumns.first
    width = shape.width
    map = quoted(FullTextTable.mapName(shape.name))
  }

  static func mapName(_ table: String) -> String { "_mt_fts_" + table }

  /// Makes the map of a new table.
  static func createMap(of shape: TableShape, in connection: Connection) throws(StoreError) {
    guard !shape.table.keyColumns.isEmpty else { return }
    try connection.script(
      "create table \(quoted(mapName(shape.name)))(key primary key not null, id integer not null)"
        + " without rowid"
    )
  }

  func discard() {
    isStale = nil
    isMarkedUnsettled = false
  }

  /// Rewrites the index from the rows if they changed since the last time. Outside a transaction.
  func settle() throws(StoreError) {
    let read = try connection.statement("select 1 from _mt_meta where name = ?1")
    read.bind(1, text: unsettledName)
    let isUnsettled = try read.step()
    read.reset()
    guard isUnsettled else { return }
    try connection.run("begin immediate")
    do throws(StoreError) {
      // A contentless table cannot be rebuilt: its rows are nowhere.
      if !isContentless { try connection.run("insert into \(sql.name)(\(sql.name)) values ('rebuild')") }
      let clear = try connection.statement("delete from _mt_meta where name = ?1")
      clear.bind(1, text: unsettledName)
      try clear.finish()
      try connection.run("commit")
    } catch {
      if connection.isInTransaction { try connection.run("rollback") }
      throw error
    }
  }

  private var unsettledName: String { "unsettled_fts_" + shape.name }

  /// `content=''` among the options.
  private var isContentless: Bool {
    let tokens = SQLWords(shape.sql).tokens
    guard tokens.count >= 3 else { return false }
    return tokens.indices.dropLast(2).contains { index in
      tokens[index].text.lowercased() == "content" && tokens[index + 1].text == "="
        && tokens[index + 2].text.isEmpty
    }
  }

  /// Once a transaction: the index shows where this batch ends until it is settled.
  private func markUnsettled() throws(StoreError) {
    if isMarkedUnsettled { return }
    let mark = try connection.statement("insert or ignore into _mt_meta(name, value) values (?1, 1)")
    mark.bind(1, text: unsettledName)
    try mark.finish()
    isMarkedUnsettled = true
  }

  func changedOutside() throws(StoreError) {
    try markUnsettled()
    guard keyColumn != nil, isStale != true else { return }
    let mark = try connection.statement("insert or replace into _mt_meta(name, value) values (?1, 1)")
    mark.bind(1, text: staleName)
    try mark.finish()
    isStale = true
  }

  private var staleName: String { "stale_fts_" + shape.name }

  private func freshenMap() throws(StoreError) {
    if isStale == nil {
      let read = try connection.statement("select 1 from _mt_meta where name = ?1")
      read.bind(1, text: staleName)
      isStale = try read.step()
      read.reset()
    }
    guard isStale == true, let keyColumn else { return }
    let key = quoted(shape.columns[keyColumn].name)
    try connection.run("delete from \(map)")
    // Of rows that share a key the oldest is the one that operations see.
    try connection.run(
      "insert into \(map)(key, id) select \(key), min(rowid) from \(sql.name) where \(key) is not null"
        + " group by 1"
    )
    let clear = try connection.statement("delete from _mt_meta where name = ?1")
    clear.bind(1, text: staleName)
    try clear.finish()
    isStale = false
  }

  func run(_ operation: RowOperation, _ arguments: CellSpan, into result: RowBuffer) throws(StoreError)
    -> Bool
  {
    guard keyColumn != nil else {
      switch operation {
      case .put:
        _ = try insert(arguments, arguments.mask(width))
        return true
      case .each: return try each(arguments, result)
      case .get, .update, .delete, .add:
        throw .refused(
          "\(shape.name) has no UNINDEXED column to find a row by: only put and each work on it")
      }
    }
    switch operation {
    case .put: return try put(arguments)
    case .get:
      guard let id = try rowID(arguments) else { return false }
      try read(id, into: result)
      return true
    case .update:
      guard let id = try rowID(arguments) else { return false }
      try change(id, arguments.dropping(1))
      return true
    case .delete: return try delete(arguments)
    case .add: throw .refused("add needs a table with numbers; \(shape.name) is a full-text table")
    case .each: return try each(arguments, result)
    }
  }

  private func rowID(_ key: CellSpan) throws(StoreError) -> Int64? {
    try freshenMap()
    let find = try slots.statement(1, 0, 0, connection) { "select id from \(map) where key = ?1" }
    try find.bind(1, key[0], key.bytes)
    defer { find.reset() }
    return try find.step() ? find.integer(0) : nil
  }

  private func put(_ row: CellSpan) throws(StoreError) -> Bool {
    let column = keyColumn ?? 0
    guard row[column].kind != .absent, row[column].kind != .null else {
      throw .refused("put on \(shape.name) needs its key: \(shape.columns[column].name) is missing")
    }
    let key = CellSpan(cells: row.cells + column, count: 1, bytes: row.bytes)
    if let id = try rowID(key) {
      try change(id, row)
      return true
    }
    try remember(key, try insert(row, row.mask(width)))
    return true
  }

  private func remember(_ key: CellSpan, _ id: Int64) throws(StoreError) {
    let remember = try slots.statement(2, 0, 0, connection) { "insert into \(map)(key, id) values (?1, ?2)" }
    try remember.bind(1, key[0], key.bytes)
    remember.bind(2, id)
    try remember.finish()
  }

  private func insert(_ row: CellSpan, _ mask: UInt64) throws(StoreError) -> Int64 {
    try markUnsettled()
    let insert = try slots.statement(3, mask, 0, connection) { sql.insert(mask) }
    try bind(insert, row, mask)
    try insert.finish()
    return connection.lastRowID
  }

  private func change(_ id: Int64, _ row: CellSpan) throws(StoreError) {
    let mask = row.mask(width)
    guard mask != 0 else { return }
    try markUnsettled()
    let names = shape.names(mask).map(quoted)
    let update = try slots.statement(4, mask, 0, connection) {
      "update \(sql.name) set " + names.enumerated().map { "\($1) = ?\($0 + 1)" }.joined(separator: ", ")
        + " where rowid = ?\(names.count + 1)"
    }
    try update.bind(bind(update, row, mask), id)
    try update.finish()
    guard let keyColumn, mask & 1 << UInt64(keyColumn) != 0 else { return }
    let rename = try slots.statement(5, 0, 0, connection) { "update \(map) set key = ?1 where id = ?2" }
    try rename.bind(1, row[keyColumn], row.bytes)
    rename.bind(2, id)
    try rename.finish()
  }

  private func delete(_ key: CellSpan) throws(StoreError) -> Bool {
    guard let id = try rowID(key) else { return false }
    try markUnsettled()
    let delete = try slots.statement(6, 0, 0, connection) { "delete from \(sql.name) where rowid = ?1" }
    delete.bind(1, id)
    try delete.finish()
    let forget = try slots.statement(7, 0, 0, connection) { "delete from \(map) where key = ?1" }
    try forget.bind(1, key[0], key.bytes)
    try forget.finish()
    return true
  }

  private func read(_ id: Int64, into result: RowBuffer) throws(StoreError) {
    let get = try slots.statement(8, 0, 0, connection) {
      "select \(sql.allColumns) from \(sql.name) where rowid = ?1"
    }
    get.bind(1, id)
    if try get.step() { get.read(into: result) }
    get.reset()
  }

  private func each(_ row: CellSpan, _ result: RowBuffer) throws(StoreError) -> Bool {
    let mask = row.mask(width)
    let each = try slots.statement(9, mask, 0, connection) {
      sql.each(mask, order: keyColumn == nil ? ["rowid"] : sql.keys)
    }
    try bind(each, row, mask)
    try each.readAll(into: result)
    return true
  }

  @discardableResult
  private func bind(_ statement: Statement, _ row: CellSpan, _ mask: UInt64) throws(StoreError) -> Int {
    var place = 1
    for column in 0..<width where mask & 1 << UInt64(column) != 0 {
      try statement.bind(place, row[column], row.bytes)
      place += 1
    }
    return place
  }
}

import MoontideCore

/// Where SQLite tells of the rows of one of a projection's tables, and which of the columns that it tells of
/// are the table's.
struct WatchedTable {
  enum Source {
    /// The table itself.
    case rows
    /// The shadow table in which FTS5 keeps the values: `id`, then a column each.
    case content
    /// The shadow table of FTS5 that has one row a row, where the values are nowhere or in another table.
    case sizes
    /// Our own map from key to rowid beside a full-text table.
    case map
  }

  var source: Source
  /// Index into the store's tables.
  var table: Int
  var width: Int
  var keyColumns: [Int]
  var hasRowID = true
  /// For each column its place in what SQLite stores, and in the table as it was declared: they differ where
  /// columns are generated.
  var stored: [Int32] = []
  var declared: [Int32] = []
  /// Columns whose whole numbers SQLite stores as integers.
  var isReal: [Bool] = []

  /// Under the lower-case names of the tables that SQLite tells of.
  static func all(
    _ shapes: [TableShape], in connection: Connection
  ) throws(StoreError) -> [String: WatchedTable] {
    var found: [String: WatchedTable] = [:]
    for (index, shape) in shapes.enumerated() {
      var watched = WatchedTable(
        source: .rows, table: index, width: shape.width, keyColumns: shape.table.keyColumns)
      watched.isReal = shape.columns.map { $0.affinity == .real && shape.kind != .fullText }
      let name = shape.name.lowercased()
      guard shape.kind == .fullText else {
        try watched.readColumns(of: shape.name, connection)
        found[name] = watched
        continue
      }
      watched.stored = (0..<shape.width).map { Int32($0 + 1) }
      watched.declared = watched.stored
      let hasContent = try isTable(shape.name + "_content", connection)
      watched.source = hasContent ? .content : .sizes
      found[name + (hasContent ? "_content" : "_docsize")] = watched
      if !hasContent, !watched.keyColumns.isEmpty {
        watched.source = .map
        watched.hasRowID = false
        found[FullTextTable.mapName(shape.name).lowercased()] = watched
      }
    }
    return found
  }

  private static func isTable(_ name: String, _ connection: Connection) throws(StoreError) -> Bool {
    let list = try connection.prepare("select 1 from sqlite_schema where type = 'table' and name = ?1")
    list.bind(1, text: name)
    defer { list.reset() }
    return try list.step()
  }

  private mutating func readColumns(of name: String, _ connection: Connection) throws(StoreError) {
    let list = try connection.prepare("select cid, hidden from pragma_table_xinfo(?1) order by cid")
    list.bind(1, text: name)
    var place: Int32 = 0
    while try list.step() {
      if list.integer(1) == 0 {
        stored.append(place)
        declared.append(Int32(list.integer(0)))
      }
      // Virtual columns are stored nowhere.
      if list.integer(1) != 2 { place += 1 }
    }
    let options = try connection.prepare("select wr from pragma_table_list(?1) where schema = 'main'")
    options.bind(1, text: name)
    hasRowID = try !(options.step() && options.integer(0) != 0)
  }
}

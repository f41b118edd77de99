import MoontideCore

/// What a table of a schema looks like to row operations, read from SQLite's own pragmas.
struct TableShape {
  enum Kind {
    /// Rows are found by their primary key.
    case keyed
    /// No primary key: rows are only added.
    case keyless
    /// An FTS5 table.
    case fullText
  }

  /// <https://www.sqlite.org/datatype3.html#determination_of_column_affinity>
  enum Affinity {
    case integer, text, blob, real, numeric

    init(declared: String) {
      let type = declared.uppercased()
      if type.contains("INT") {
        self = .integer
      } else if type.contains("CHAR") || type.contains("CLOB") || type.contains("TEXT") {
        self = .text
      } else if type.isEmpty || type.contains("BLOB") {
        self = .blob
      } else if type.contains("REAL") || type.contains("FLOA") || type.contains("DOUB") {
        self = .real
      } else {
        self = .numeric
      }
    }
  }

  struct Column {
    var name: String
    var affinity: Affinity
    var isNotNull: Bool
    /// SQL of the default, nil when there is none.
    var defaultSQL: String?
  }

  var kind: Kind
  var table: StoreTable
  var columns: [Column]
  /// The text that made the table.
  var sql: String
  /// The only key column is another name of the rowid.
  var keyIsRowID = false
  /// A row may not come into being by an insert of some columns only: constraints look at all of them.
  var hasRowConstraints = false
  /// Merging operations before they are written cannot change what comes out.
  var isFoldable = false

  var name: String { table.name }
  var width: Int { columns.count }
  /// Bits of the key columns.
  var keyMask: UInt64 { table.keyColumns.reduce(0) { $0 | 1 << UInt64($1) } }
  /// Bits of the columns that an insert must name with a value.
  var requiredMask: UInt64 {
    var mask: UInt64 = 0
    for (index, column) in columns.enumerated()
    where column.isNotNull && column.defaultSQL == nil && !(keyIsRowID && table.keyColumns == [index]) {
      mask |= 1 << UInt64(index)
    }
    return mask
  }

  /// The names of the columns in a mask, in order.
  func names(_ mask: UInt64) -> [String] {
    columns.indices.filter { mask & 1 << UInt64($0) != 0 }.map { columns[$0].name }
  }
}

extension TableShape {
  /// All tables that the script made, in the order of its schema. Throws `refused` for one that row
  /// operations cannot work on.
  static func all(in connection: Connection) throws(StoreError) -> [TableShape] {
    var found: [(name: String, sql: String)] = []
    let list = try connection.statement(
      """
      select name, ifnull(sql, '') from sqlite_schema where type = 'table'
        and name not like 'sqlite\\_%' escape '\\' and name not like '\\_mt\\_%' escape '\\'
        and name not in (select name from pragma_table_list where type = 'shadow')
      order by rowid
      """)
    while try list.step() { found.append((list.text(0), list.text(1))) }
    list.reset()
    let hasForeignKeys =
      try connection.integer(
        "select 1 from sqlite_schema s, pragma_foreign_key_list(s.name) where s.type = 'table' limit 1")
      != nil
    var shapes: [TableShape] = []
    for (name, sql) in found {
      shapes.append(try read(name, sql, in: connection, hasForeignKeys: hasForeignKeys))
    }
    return shapes
  }

  private static func read(
    _ name: String, _ sql: String, in connection: Connection, hasForeignKeys: Bool
  ) throws(StoreError) -> TableShape {
    var columns: [Column] = []
    var keys: [(order: Int64, column: Int)] = []
    var hasGenerated = false
    var keyTypes: [String] = []
    let list = try connection.prepare(
      "select name, type, \"notnull\", dflt_value, pk, hidden from pragma_table_xinfo(?1) order by cid")
    list.bind(1, text: name)
    while try list.step() {
      let hidden = list.integer(5)
      if hidden == 2 || hidden == 3 { hasGenerated = true }
      guard hidden == 0 else { continue }
      if list.integer(4) > 0 {
        keys.append((list.integer(4), columns.count))
        keyTypes.append(list.text(1).uppercased())
      }
      columns.append(
        Column(
          name: list.text(0), affinity: Affinity(declared: list.text(1)), isNotNull: list.integer(2) != 0,
          defaultSQL: list.isNull(3) ? nil : list.text(3)))
    }
    guard columns.count <= Limits.columnsMax else {
      throw .refused("a table has at most \(Limits.columnsMax) columns, \(name) has \(columns.count)")
    }
    let words = SQLWords(sql).words.map { $0.lowercased() }
    let isFullText = words.starts(with: ["create", "virtual"])
    keys.sort { $0.order < $1.order }
    var keyColumns = keys.map { $0.column }
    if isFullText { keyColumns = fullTextKey(sql, columns) }
    var shape = TableShape(
      kind: isFullText ? .fullText : keyColumns.isEmpty ? .keyless : .keyed,
      table: StoreTable(name: name, columns: columns.map { $0.name }, keyColumns: keyColumns),
      columns: columns, sql: sql)
    guard shape.kind == .keyed else { return shape }
    let options = try connection.prepare("select wr, strict from pragma_table_list(?1) where schema = 'main'")
    options.bind(1, text: name)
    let isWithoutRowID = try options.step() && options.integer(0) != 0
    let isStrict = options.integer(1) != 0
    options.reset()
    shape.keyIsRowID = !isWithoutRowID && keyTypes == ["INTEGER"] && !words.contains("desc")
    shape.hasRowConstraints = words.contains("check") || hasGenerated || words.contains("conflict")
    let indexesAreHarmless = try indexesAreHarmless(name, connection)
    shape.isFoldable =
      !shape.hasRowConstraints && !isStrict && !hasForeignKeys && indexesAreHarmless
      && keyColumns.allSatisfy { columns[$0].affinity != .real }
    return shape
  }

  /// No secondary UNIQUE, no index on an expression or a part of the rows, binary keys.
  private static func indexesAreHarmless(_ table: String, _ connection: Connection) throws(StoreError) -> Bool
  {
    let list = try connection.prepare(
      """
      select 1 from pragma_index_list(?1) l, pragma_index_xinfo(l.name) x
      where (l.origin <> 'pk' and l."unique") or l.partial or x.cid = -2
        or (l.origin = 'pk' and x.key and x.coll <> 'BINARY')
      """)
    list.bind(1, text: table)
    defer { list.reset() }
    return try !list.step()
  }

  /// The first UNINDEXED column of `create virtual table T using fts5(a unindexed, b, …)`.
  private static func fullTextKey(_ sql: String, _ columns: [Column]) -> [Int] {
    guard let open = sql.firstIndex(of: "("), let close = sql.lastIndex(of: ")"), open < close else {
      return []
    }
    let arguments = sql[sql.index(after: open)..<close].split(separator: ",")
    for argument in arguments {
      let words = SQLWords(String(argument)).words
      guard words.count == 2, words[1].lowercased() == "unindexed" else { continue }
      if let index = columns.firstIndex(where: { $0.name.lowercased() == words[0].lowercased() }) {
        return [index]
      }
    }
    return []
  }
}

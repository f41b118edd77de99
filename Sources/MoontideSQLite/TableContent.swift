public import MoontideCore

/// What one table of a read model holds: how many rows, and a digest of all values in an order that the rows
/// alone decide (by key; a table without one by all its columns).
public struct TableContent: Sendable, Hashable {
  public var table: String
  public var rows: UInt64
  public var digest: Digest
  public init(table: String, rows: UInt64, digest: Digest) {
    self.table = table
    self.rows = rows
    self.digest = digest
  }
}

extension StoreReader {
  /// Of each own table, in the order of the schema, in one snapshot. Reads all rows.
  public func contents() throws(StoreError) -> [TableContent] {
    try connection.run("begin")
    defer { connection.endReading() }
    return try TableContent.all(in: connection)
  }

  /// Hands over every row of a table in the order that `TableContent` speaks of: one cell a column. The
  /// buffer is used again for the next.
  public func forEachRow(
    of table: StoreTable, _ body: (RowBuffer) throws(StoreError) -> Void
  ) throws(StoreError) {
    try TableContent.forEachRow(of: table, in: connection, body)
  }
}

extension ProjectionStore {
  /// The same of an open store, between transactions.
  public func contents() throws(StoreError) -> [TableContent] { try TableContent.all(in: connection) }
}

extension TableContent {
  static func all(in connection: Connection) throws(StoreError) -> [TableContent] {
    var contents: [TableContent] = []
    var bytes: [UInt8] = []
    for shape in try TableShape.all(in: connection) {
      var content = TableContent(table: shape.name, rows: 0, digest: .zero)
      try forEachRow(of: shape.table, in: connection) { (row) throws(StoreError) in
        bytes.removeAll(keepingCapacity: true)
        row.encode(0..<row.cells.count, into: &bytes)
        content.digest = content.digest.adding(bytes)
        content.rows += 1
      }
      contents.append(content)
    }
    return contents
  }

  static func forEachRow(
    of table: StoreTable, in connection: Connection, _ body: (RowBuffer) throws(StoreError) -> Void
  ) throws(StoreError) {
    let order = table.keyColumns.isEmpty ? Array(table.columns.indices) : table.keyColumns
    // Whatever the column's collation: two files must agree on the order of equal rows.
    let terms = order.map { quoted(table.columns[$0]) + " collate binary" }
    let columns = table.columns.map(quoted).joined(separator: ", ")
    let statement = try connection.prepare(
      "select \(columns) from \(quoted(table.name)) order by \(terms.joined(separator: ", "))")
    let row = RowBuffer()
    while try statement.step() {
      row.removeAll()
      statement.read(into: row)
      try body(row)
    }
  }
}

extension RowBuffer {
  /// Appends those cells in a form in which different values are different bytes: kind, then 8 bytes of a
  /// number, or 8 of a length and the text.
  public func encode(_ range: Range<Int>, into bytes: inout [UInt8]) {
    func add(_ bits: UInt64) {
      for shift in stride(from: 0, to: 64, by: 8) {
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(shift)))
      }
    }
    for cell in cells[range] {
      bytes.append(cell.kind.rawValue)
      switch cell.kind {
      case .absent, .null: break
      case .integer, .real: add(UInt64(bitPattern: cell.bits))
      case .text, .blob:
        add(UInt64(cell.part.count))
        bytes.append(contentsOf: self.bytes[cell.part.indices])
      }
    }
  }
}

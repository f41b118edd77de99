import MoontideCore
import MoontideSQLite

/// Names the rows in which two tables of one shape differ: what a read model has, and what a fold gives.
struct TableComparison {
  /// One value that is not the same.
  struct Difference: Hashable {
    var key: String
    /// Nil when the whole row is there on one side only.
    var column: String?
    var found: String?
    var expected: String?
  }

  let table: StoreTable
  private(set) var differences: [Difference] = []
  /// Rows that differ; `differences` tells of the first `Limits.differencesShownMax`.
  private(set) var count = 0
  private var wanted: Set<[UInt8]> = []

  init(_ table: StoreTable, found: StoreReader, expected: StoreReader) throws(StoreError) {
    self.table = table
    // Rows by key; of a table without one, each row as often as it is there.
    var unmatched: [[UInt8]: [Digest]] = [:]
    try expected.forEachRow(of: table) { (row) throws(StoreError) in
      if unmatched.count < Limits.comparedRowsMax {
        unmatched[Self.key(row, table), default: []].append(Self.digest(row))
      }
    }
    let isWhole = unmatched.count < Limits.comparedRowsMax
    try found.forEachRow(of: table) { (row) throws(StoreError) in
      let key = Self.key(row, table)
      guard var digests = unmatched[key] else {
        if isWhole { note(key) }
        return
      }
      if let same = digests.firstIndex(of: Self.digest(row)) {
        digests.remove(at: same)
      } else {
        digests.removeLast()
        note(key)
      }
      unmatched[key] = digests.isEmpty ? nil : digests
    }
    for key in unmatched.keys { note(key) }
    try describe(found, expected)
  }

  private mutating func note(_ key: [UInt8]) {
    count += 1
    if wanted.count < Limits.differencesShownMax { wanted.insert(key) }
  }

  /// Reads the differing rows again, for their values.
  private mutating func describe(_ found: StoreReader, _ expected: StoreReader) throws(StoreError) {
    let there = try rows(found)
    let should = try rows(expected)
    for key in wanted {
      let (one, other) = (there.values[key], should.values[key])
      let name = there.names[key] ?? should.names[key] ?? ""
      guard let one, let other else {
        differences.append(
          Difference(
            key: name, column: nil, found: one.map { Self.joined($0) },
            expected: other.map { Self.joined($0) }))
        continue
      }
      for (index, column) in table.columns.enumerated() where one[index] != other[index] {
        differences.append(Difference(key: name, column: column, found: one[index], expected: other[index]))
      }
    }
    differences.sort { ($0.key, $0.column ?? "") < ($1.key, $1.column ?? "") }
  }

  private func rows(
    _ reader: StoreReader
  ) throws(StoreError) -> (values: [[UInt8]: [String]], names: [[UInt8]: String]) {
    var values: [[UInt8]: [String]] = [:]
    var names: [[UInt8]: String] = [:]
    if wanted.isEmpty { return (values, names) }
    try reader.forEachRow(of: table) { (row) throws(StoreError) in
      let key = Self.key(row, table)
      guard wanted.contains(key), values[key] == nil else { return }
      let texts = (0..<row.cells.count).map { Self.text(row, $0) }
      values[key] = texts
      names[key] = Self.joined(table.keyColumns.isEmpty ? texts : table.keyColumns.map { texts[$0] })
    }
    return (values, names)
  }

  private static func joined(_ texts: [String]) -> String { texts.joined(separator: ", ") }

  private static func key(_ row: RowBuffer, _ table: StoreTable) -> [UInt8] {
    var bytes: [UInt8] = []
    if table.keyColumns.isEmpty { row.encode(0..<row.cells.count, into: &bytes) }
    for column in table.keyColumns { row.encode(column..<column + 1, into: &bytes) }
    return bytes
  }

  private static func digest(_ row: RowBuffer) -> Digest {
    var bytes: [UInt8] = []
    row.encode(0..<row.cells.count, into: &bytes)
    return Digest.zero.adding(bytes)
  }

  /// A value as SQL writes it, so that 1, 1.0 and '1' are told apart.
  static func text(_ row: RowBuffer, _ index: Int) -> String {
    let cell = row.cells[index]
    switch cell.kind {
    case .absent, .null: return "NULL"
    case .integer: return String(cell.bits)
    case .real: return cell.real.description
    case .text: return "'\(row.text(index) ?? "")'"
    case .blob:
      let digits = row.bytes[cell.part.indices].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
      return "x'" + digits.joined() + "'"
    }
  }
}

import MoontideCore
import MoontideSQLite

/// Names the rows in which two tables of one shape differ: what a read model has, and what a fold gives. The
/// rows of the first are sorted anew: an index of a damaged file may not be in order.
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
  /// Of the first `Limits.differencesShownMax` rows that differ.
  private(set) var differences: [Difference] = []
  /// Rows that differ.
  private(set) var count = 0

  init(
    _ table: StoreTable, found: StoreReader, expected: StoreReader, clock: any WallClock
  ) throws(StoreError) {
    self.table = table
    let (columns, key) = (table.columns, table.keyColumns)
    var merge = TableMerge(
      try found.rows(of: table.name, columns: columns, key: key, isSorted: true, clock: clock),
      try expected.rows(of: table.name, columns: columns, key: key, isSorted: true, clock: clock),
      key: key, width: columns.count)
    while let step = try merge.next() {
      if case .same = step { continue }
      count += 1
      if count <= Limits.differencesShownMax { note(step, merge.old.row, merge.new.row) }
    }
  }

  private mutating func note(_ step: TableMerge.Step, _ found: RowBuffer, _ expected: RowBuffer) {
    let row = step == .onlyNew ? expected : found
    let parts = table.keyColumns.isEmpty ? Array(table.columns.indices) : table.keyColumns
    let name = Self.joined(row, parts)
    let all = Array(table.columns.indices)
    switch step {
    case .same: return
    case .onlyOld:
      differences.append(.init(key: name, column: nil, found: Self.joined(found, all), expected: nil))
    case .onlyNew:
      differences.append(.init(key: name, column: nil, found: nil, expected: Self.joined(expected, all)))
    case .changed:
      for (index, column) in table.columns.enumerated() where !found.hasSame(index, as: expected) {
        differences.append(
          .init(
            key: name, column: column, found: Self.text(found, index), expected: Self.text(expected, index)))
      }
    }
  }

  private static func joined(_ row: RowBuffer, _ columns: [Int]) -> String {
    columns.map { text(row, $0) }.joined(separator: ", ")
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

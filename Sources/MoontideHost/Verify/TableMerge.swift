import MoontideCore
import MoontideSQLite

/// Walks through one table of two files side by side, in one pass and with two rows in memory: both cursors
/// have the same columns in the same order. Rows of a table with a key are matched by it; of one without, by
/// all their values, each as often as it is there.
struct TableMerge {
  enum Step {
    case same
    /// The row of the key is there in both, with other values.
    case changed
    case onlyOld
    case onlyNew
  }

  let old: RowCursor
  let new: RowCursor
  private let key: [Int]
  /// Whether rows have no key: then every value and its kind counts.
  private let isKeyless: Bool
  private let width: Int
  private var hasOld = false
  private var hasNew = false
  private var last: Step?

  /// - Parameter key: as the cursors have it.
  init(_ old: RowCursor, _ new: RowCursor, key: [Int], width: Int) {
    self.old = old
    self.new = new
    self.width = width
    isKeyless = key.isEmpty
    self.key = key.isEmpty ? Array(0..<width) : key
  }

  /// Moves to the next row of either side; `old.row` and `new.row` are those that the step speaks of. Nil at
  /// the end of both.
  mutating func next() throws(StoreError) -> Step? {
    if last == nil {
      hasOld = try old.next()
      hasNew = try new.next()
    } else {
      if hasOld, last != .onlyNew { hasOld = try old.next() }
      if hasNew, last != .onlyOld { hasNew = try new.next() }
    }
    last = step()
    return last
  }

  private func step() -> Step? {
    guard hasOld else { return hasNew ? .onlyNew : nil }
    guard hasNew else { return .onlyOld }
    var order = 0
    for column in key where order == 0 {
      order = old.row.order(column, against: new.row, kinds: isKeyless)
    }
    if order != 0 { return order < 0 ? .onlyOld : .onlyNew }
    for column in 0..<width where !old.row.hasSame(column, as: new.row) { return .changed }
    return .same
  }
}

import MoontideCore
import MoontideSQLite

/// Which row of a table: a digest of its key, or of all its values.
struct RowName: Hashable {
  let digest: Digest

  /// - Parameter columns: places of the cells that name it, from `start` on.
  init(_ row: RowBuffer, from start: Int, _ columns: [Int]) {
    var bytes: [UInt8] = []
    for column in columns {
      let cell = row.cells[start + column]
      // 1 and 1.0 are one key to SQLite.
      if cell.kind == .real, let whole = Int64(exactly: cell.real) {
        let number = RowBuffer()
        number.cells.append(.integer(whole))
        number.encode(0..<1, into: &bytes)
      } else {
        row.encode(start + column..<start + column + 1, into: &bytes)
      }
    }
    digest = Digest.zero.adding(bytes)
  }
}

/// Follows rows of one table of both versions through the log, to find the first event after which each
/// differs. Of each value it keeps 8 bytes of a digest, so that one in 2^64 is taken for another.
struct RowTrail {
  enum Side: Int {
    case old = 0
    case new = 1
  }

  /// Of the values of the table in either side's rows: where those are that both have.
  private let places: [[Int]]
  /// Of these, those that name a row; empty: all, and how often it is there is what differs.
  private let key: [Int]
  private let width: Int
  private var rows: [RowName: Int] = [:]
  /// By row: the one that stands for all that have its name.
  private var chiefs: [Int] = []
  /// By row, side and column: a digest of the value, 0 for a row that is not there. Of a table without a
  /// key: how often it is there.
  private var states: [UInt64]
  /// By row and column: the position after which it differed first, plus 1; 0 when it never did.
  private var firsts: [UInt64]
  /// By row: bits of the columns whose first event is searched; all bits: any will do.
  private var wanted: [UInt64]
  /// Rows that changed since `settle`.
  private var touched: Set<Int> = []
  /// How many values are still searched.
  private(set) var open = 0

  /// - Parameters:
  ///   - places: by side, the columns of its table that are compared, in one order.
  ///   - key: indexes into these.
  init(_ traced: [TableDiff.Traced], places: [[Int]], key: [Int]) {
    self.places = places
    self.key = key
    width = key.isEmpty ? 1 : places[0].count
    states = [UInt64](repeating: 0, count: traced.count * 2 * width)
    firsts = [UInt64](repeating: 0, count: traced.count * width)
    wanted = []
    rows.reserveCapacity(traced.count)
    for (index, row) in traced.enumerated() {
      wanted.append(row.step == .changed && !key.isEmpty ? row.mask : .max)
      chiefs.append(rows[row.name] ?? index)
      guard chiefs[index] == index else {
        wanted[index] = 0
        continue
      }
      rows[row.name] = index
      open += wanted[index] == .max ? 1 : wanted[index].nonzeroBitCount
    }
  }

  /// A row of that side was written, changed or removed.
  /// - Parameters:
  ///   - before: where its cells begin, nil when it was not there.
  ///   - after: likewise.
  mutating func note(_ side: Side, _ cells: RowBuffer, before: Int?, after: Int?) {
    if let before { write(side, cells, before, isThere: false) }
    if let after { write(side, cells, after, isThere: true) }
  }

  private mutating func write(_ side: Side, _ cells: RowBuffer, _ start: Int, isThere: Bool) {
    let places = places[side.rawValue]
    let name = RowName(cells, from: start, key.isEmpty ? places : key.map { places[$0] })
    guard let row = rows[name] else { return }
    touched.insert(row)
    let state = (row * 2 + side.rawValue) * width
    if key.isEmpty {
      states[state] = isThere ? states[state] &+ 1 : states[state] &- 1
      return
    }
    var bytes: [UInt8] = []
    for column in 0..<width {
      guard isThere else {
        states[state + column] = 0
        continue
      }
      bytes.removeAll(keepingCapacity: true)
      cells.encode(start + places[column]..<start + places[column] + 1, into: &bytes)
      states[state + column] = max(1, Digest.zero.adding(bytes).low)
    }
  }

  /// Both sides have handled the event of that position.
  mutating func settle(at position: Position) {
    for row in touched {
      var found: UInt64 = 0
      for column in 0..<width where firsts[row * width + column] == 0 {
        guard states[row * 2 * width + column] != states[(row * 2 + 1) * width + column] else { continue }
        firsts[row * width + column] = position.value + 1
        found |= 1 << UInt64(column)
      }
      let searched = wanted[row]
      if searched == .max {
        if found != 0 {
          open -= 1
          wanted[row] = 0
        }
      } else {
        open -= (searched & found).nonzeroBitCount
        wanted[row] = searched & ~found
      }
    }
    touched.removeAll(keepingCapacity: true)
  }

  /// The first position after which a row, or that column of it, was not the same in both.
  func first(_ row: Int, _ column: Int?) -> Position? {
    let all = firsts[chiefs[row] * width..<(chiefs[row] + 1) * width]
    let value: UInt64?
    if let column, !key.isEmpty {
      value = all[all.startIndex + column]
    } else {
      value = all.filter { $0 > 0 }.min()
    }
    guard let value, value > 0 else { return nil }
    return Position(value - 1)
  }
}

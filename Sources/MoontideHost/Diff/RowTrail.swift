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
/// differs. Each side tells of a stretch of the log, then `settle` compares them event by event. Of a value
/// it keeps 8 bytes of a digest, so that one in 2^64 is taken for another. Owned by one thread.
final class RowTrail {
  enum Side: Int {
    case old = 0
    case new = 1
  }

  /// What an event did to a row.
  private struct Step {
    var position: UInt64
    var row: Int
    var side: Side
    /// Where its digests begin in `written`; nil: it is gone.
    var values: Int?
  }

  /// Of either side's rows of the table: where the values are that both have.
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
  private var wanted: [UInt64] = []
  private var steps: [Step] = []
  private var written: [UInt64] = []
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

  /// An event of that position changed a row of that side. In order of position within a side.
  /// - Parameters:
  ///   - before: where its cells begin, nil when it was not there.
  ///   - after: likewise.
  func note(_ side: Side, at position: Position, _ cells: RowBuffer, before: Int?, after: Int?) {
    if let before { add(side, position, cells, before, isThere: false) }
    if let after { add(side, position, cells, after, isThere: true) }
  }

  private func add(_ side: Side, _ position: Position, _ cells: RowBuffer, _ start: Int, isThere: Bool) {
    let places = places[side.rawValue]
    let name = RowName(cells, from: start, key.isEmpty ? places : key.map { places[$0] })
    // What is found is found: its row needs no following.
    guard let row = rows[name], wanted[row] != 0 else { return }
    var step = Step(position: position.value, row: row, side: side, values: isThere ? written.count : nil)
    if isThere, !key.isEmpty {
      var bytes: [UInt8] = []
      for place in places {
        bytes.removeAll(keepingCapacity: true)
        cells.encode(start + place..<start + place + 1, into: &bytes)
        written.append(max(1, Digest.zero.adding(bytes).low))
      }
    } else if isThere {
      step.values = 0
    }
    steps.append(step)
  }

  /// Both sides have told of all events up to here.
  func settle() {
    // What one event did to one side stays in its order.
    let order = steps.indices.sorted { (steps[$0].position, $0) < (steps[$1].position, $1) }
    var touched: Set<Int> = []
    for (index, place) in order.enumerated() {
      apply(steps[place])
      touched.insert(steps[place].row)
      let position = steps[place].position
      guard index + 1 == order.count || steps[order[index + 1]].position != position else { continue }
      for row in touched { compare(row, position) }
      touched.removeAll(keepingCapacity: true)
    }
    steps.removeAll(keepingCapacity: true)
    written.removeAll(keepingCapacity: true)
  }

  private func apply(_ step: Step) {
    let state = (step.row * 2 + step.side.rawValue) * width
    if key.isEmpty {
      states[state] = step.values == nil ? states[state] &- 1 : states[state] &+ 1
      return
    }
    for column in 0..<width { states[state + column] = step.values.map { written[$0 + column] } ?? 0 }
  }

  private func compare(_ row: Int, _ position: UInt64) {
    var found: UInt64 = 0
    for column in 0..<width where firsts[row * width + column] == 0 {
      guard states[row * 2 * width + column] != states[(row * 2 + 1) * width + column] else { continue }
      firsts[row * width + column] = position + 1
      found |= 1 << UInt64(column)
    }
    guard found != 0 else { return }
    let searched = wanted[row]
    open -= searched == .max ? 1 : (searched & found).nonzeroBitCount
    wanted[row] = searched == .max ? 0 : searched & ~found
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

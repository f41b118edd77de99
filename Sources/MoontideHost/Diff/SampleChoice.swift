import MoontideCore

/// Which differing rows of a table are shown: those that came to differ first, and as they lie in the table
/// where that is not known. By their places among the differing rows.
struct SampleChoice {
  private(set) var added: [Int] = []
  private(set) var removed: [Int] = []
  /// By common column.
  private(set) var columns: [Int: [Int]] = [:]

  /// Added and removed ones.
  var rows: Set<Int> { Set(added + removed) }
  /// Columns to show, by row.
  var cells: [Int: [Int]] {
    var cells: [Int: [Int]] = [:]
    for (column, places) in columns { for place in places { cells[place, default: []].append(column) } }
    return cells
  }
  /// The last row that is shown.
  var last: Int? { (added + removed + columns.values.joined()).max() }

  /// - Parameters:
  ///   - count: of samples of one kind.
  ///   - first: the first position after which a row (or its column) differs, as far as it is known.
  init(
    _ traced: [TableDiff.Traced], width: Int, count: Int, first: (_ row: Int, _ column: Int?) -> Position?
  ) {
    guard count > 0 else { return }
    func choose(_ column: Int?, _ isWanted: (TableDiff.Traced) -> Bool) -> [Int] {
      let places = traced.indices.filter { isWanted(traced[$0]) }
      let dated = places.map { (place: $0, first: first($0, column)?.value ?? .max) }
      return dated.sorted { ($0.first, $0.place) < ($1.first, $1.place) }.prefix(count).map { $0.place }
    }
    added = choose(nil) { $0.step == .onlyNew }
    removed = choose(nil) { $0.step == .onlyOld }
    for column in 0..<width {
      let found = choose(column) { $0.mask & 1 << UInt64(column) != 0 }
      if !found.isEmpty { columns[column] = found }
    }
  }
}

import MoontideCore
import MoontideSQLite

/// Compares one table or view that both versions have, by the columns that both have. Two passes: the first
/// counts, and names rows for the search of their first events; the second takes the samples that were
/// chosen.
struct TableDiff {
  /// A differing row whose first event is searched.
  struct Traced {
    var step: TableMerge.Step
    /// Bits of the common columns that differ, of a row that both have.
    var mask: UInt64
    /// Tells the row from others of its table.
    var name: RowName
  }

  /// Of the table in the schema of either side.
  let old: StoreReader.Relation
  let new: StoreReader.Relation
  /// Columns that both have, in the order of the new one.
  let common: [String]
  /// Indexes into `common`; empty: rows are matched by all of it.
  let key: [Int]
  private(set) var difference: TableDifference
  /// The first differing rows, in the order of the merge.
  private(set) var traced: [Traced] = []
  private let clock: any WallClock

  init(_ old: StoreReader.Relation, _ new: StoreReader.Relation, clock: any WallClock) {
    self.old = old
    self.new = new
    self.clock = clock
    let known = Set(old.table.columns.map { $0.lowercased() })
    let names = new.table.columns.filter { known.contains($0.lowercased()) }
    common = names
    let (was, now) = (Self.key(old.table), Self.key(new.table))
    key = was == now ? now.compactMap { name in names.firstIndex { $0.lowercased() == name } } : []
    difference = TableDifference(name: new.table.name, isView: new.isView, presence: .both)
    difference.key = key.map { names[$0] }
    difference.isRekeyed = was != now
    let isSameShape = names.count == new.table.columns.count && known.count == names.count
    difference.isRedefined = isSameShape && was == now && old.words != new.words
  }

  private static func key(_ table: StoreTable) -> [String] {
    table.keyColumns.map { table.columns[$0].lowercased() }
  }

  /// Where a table of either side has the common columns.
  func places(in table: StoreTable) -> [Int] {
    common.compactMap { name in table.columns.firstIndex { $0.lowercased() == name.lowercased() } }
  }

  // MARK: Counting

  /// - Parameters:
  ///   - cellsMax: values of differing rows that may be traced.
  ///   - look: called now and then; what it throws ends the comparison.
  mutating func count(
    _ oldFile: StoreReader, _ newFile: StoreReader, tracing cellsMax: Int,
    _ look: () throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    var changed = common.map { _ in UInt64(0) }
    if !common.isEmpty, var merge = try merge(oldFile, newFile) {
      let tracedMax = new.isView ? 0 : cellsMax / common.count
      var seen: UInt64 = 0
      while let step = try next(&merge) {
        seen += 1
        if seen.isMultiple(of: Limits.diffRowsPerLook) { try look() }
        note(step, merge, tracedMax, &changed)
      }
    }
    try noteColumns(oldFile, newFile, changed)
  }

  private mutating func merge(
    _ oldFile: StoreReader, _ newFile: StoreReader
  ) throws(Diagnostic) -> TableMerge? {
    let limit = new.isView ? Limits.diffViewTime : nil
    let (name, common, key, clock) = (new.table.name, common, key, clock)
    do throws(StoreError) {
      return TableMerge(
        try oldFile.rows(of: name, columns: common, key: key, within: limit, clock: clock),
        try newFile.rows(of: name, columns: common, key: key, within: limit, clock: clock),
        key: key, width: common.count)
    } catch {
      try fail(error)
      return nil
    }
  }

  private mutating func next(_ merge: inout TableMerge) throws(Diagnostic) -> TableMerge.Step? {
    do throws(StoreError) { return try merge.next() } catch {
      try fail(error)
      return nil
    }
  }

  /// A view is a query of the author's: it may fail, or take for ever, and the rest is compared all the same.
  private mutating func fail(_ error: StoreError) throws(Diagnostic) {
    guard new.isView else { throw error.diagnostic }
    difference.fault = error.diagnostic.title
  }

  private mutating func note(
    _ step: TableMerge.Step, _ merge: TableMerge, _ tracedMax: Int, _ changed: inout [UInt64]
  ) {
    var mask: UInt64 = 0
    switch step {
    case .same: return
    case .onlyOld: difference.removed += 1
    case .onlyNew: difference.added += 1
    case .changed:
      difference.changed += 1
      for column in common.indices where !merge.old.row.hasSame(column, as: merge.new.row) {
        changed[column] += 1
        mask |= 1 << UInt64(column)
      }
    }
    guard traced.count < tracedMax else { return }
    let row = step == .onlyOld ? merge.old.row : merge.new.row
    traced.append(
      Traced(step: step, mask: mask, name: RowName(row, from: 0, key.isEmpty ? Array(common.indices) : key)))
  }

  /// What came of each column; those that came or went with their values.
  private mutating func noteColumns(
    _ oldFile: StoreReader, _ newFile: StoreReader, _ changed: [UInt64]
  ) throws(Diagnostic) {
    let both = Set(common.map { $0.lowercased() })
    let came = new.table.columns.filter { !both.contains($0.lowercased()) }
    let gone = old.table.columns.filter { !both.contains($0.lowercased()) }
    let name = new.table.name
    var (before, after) = (
      (rows: UInt64(0), values: gone.map { _ in UInt64(0) }),
      (rows: UInt64(0), values: came.map { _ in UInt64(0) })
    )
    // To count the rows of a view takes as long as to compare them.
    if !new.isView {
      (before, after) = try StoreError.told { () throws(StoreError) in
        (try oldFile.counts(of: name, columns: gone), try newFile.counts(of: name, columns: came))
      }
    }
    difference.rows = (before.rows, after.rows)
    difference.columns =
      zip(common, changed).filter { $1 > 0 }.map { ColumnDifference(name: $0, presence: .both, count: $1) }
      + zip(came, after.values).map { ColumnDifference(name: $0, presence: .onlyNew, count: $1) }
      + zip(gone, before.values).map { ColumnDifference(name: $0, presence: .onlyOld, count: $1) }
  }

  /// Takes over what the search found.
  /// - Parameter event: the event of a position.
  mutating func date(
    _ trail: RowTrail, event: (Position) throws(Diagnostic) -> FirstEvent?
  ) throws(Diagnostic) {
    var earliest: [TableMerge.Step: Position] = [:]
    var columns: [Int: Position] = [:]
    for (index, row) in traced.enumerated() {
      if let position = trail.first(index, nil) {
        earliest[row.step] = min(earliest[row.step] ?? position, position)
      }
      for column in common.indices where row.mask & 1 << UInt64(column) != 0 {
        guard let position = trail.first(index, column) else { continue }
        columns[column] = min(columns[column] ?? position, position)
      }
    }
    for (column, position) in columns {
      guard let index = difference.columns.firstIndex(where: { $0.name == common[column] }) else { continue }
      difference.columns[index].first = try event(position)
    }
    difference.firstAdded = try earliest[.onlyNew].map(event) ?? nil
    difference.firstRemoved = try earliest[.onlyOld].map(event) ?? nil
    difference.firstChanged = try earliest[.changed].map(event) ?? nil
  }

  // MARK: Samples

  /// Takes the values of chosen differing rows, by their places among those that differ.
  /// - Parameters:
  ///   - rows: added and removed ones.
  ///   - cells: of rows that both have: by column of `common`.
  mutating func sample(
    _ oldFile: StoreReader, _ newFile: StoreReader, _ choice: SampleChoice,
    _ first: (_ row: Int, _ column: Int?) throws(Diagnostic) -> FirstEvent?
  ) throws(Diagnostic) {
    guard let last = choice.last, var merge = try merge(oldFile, newFile) else { return }
    var place = -1
    var cells: [Int: [Int: CellSample]] = [:]
    var rows: [Int: RowSample] = [:]
    while place < last, let step = try next(&merge) {
      if case .same = step { continue }
      place += 1
      if choice.rows.contains(place) {
        let row = step == .onlyOld ? merge.old.row : merge.new.row
        rows[place] = RowSample(
          key: key.map { StoredValue(row, $0) },
          values: common.indices.map { .init(column: common[$0], value: StoredValue(row, $0)) },
          first: try first(place, nil))
      }
      for column in choice.cells[place] ?? [] {
        cells[column, default: [:]][place] = CellSample(
          key: key.map { StoredValue(merge.new.row, $0) }, old: StoredValue(merge.old.row, column),
          new: StoredValue(merge.new.row, column), first: try first(place, column))
      }
    }
    difference.addedRows = choice.added.compactMap { rows[$0] }
    difference.removedRows = choice.removed.compactMap { rows[$0] }
    for (column, samples) in cells {
      guard let index = difference.columns.firstIndex(where: { $0.name == common[column] }) else { continue }
      difference.columns[index].samples = (choice.columns[column] ?? []).compactMap { samples[$0] }
    }
  }
}

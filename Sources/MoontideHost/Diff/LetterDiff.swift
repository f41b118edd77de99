import MoontideCore
import MoontideSQLite

/// Compares what two versions set aside.
struct LetterDiff {
  private let old: StoreReader
  private let new: StoreReader
  private let clock: any WallClock

  init(_ old: StoreReader, _ new: StoreReader, clock: any WallClock) {
    self.old = old
    self.new = new
    self.clock = clock
  }

  /// - Parameter samples: of each kind.
  func differences(samples: Int) throws(Diagnostic) -> LetterDifferences {
    try StoreError.told { () throws(StoreError) in
      var found = LetterDifferences()
      var merge = TableMerge(
        try old.deadLetterRows(clock: clock), try new.deadLetterRows(clock: clock), key: [0], width: 3)
      while let step = try merge.next() {
        let count: UInt64
        switch step {
        case .same: continue
        case .onlyOld:
          found.removed += 1
          count = found.removed
        case .onlyNew:
          found.added += 1
          count = found.added
        case .changed:
          found.changed += 1
          count = found.changed
        }
        if count <= UInt64(samples), let sample = try sample(step, merge) { found.samples.append(sample) }
      }
      return found
    }
  }

  private func sample(
    _ step: TableMerge.Step, _ merge: TableMerge
  ) throws(StoreError) -> LetterDifferences.Sample? {
    let (file, row) = step == .onlyNew ? (new, merge.new.row) : (old, merge.old.row)
    let position = Position(UInt64(bitPattern: row.cells[0].bits))
    guard let letter = try file.deadLetter(at: position) else { return nil }
    return .init(
      event: FirstEvent(
        position: position, time: letter.eventTime, type: letter.eventType,
        key: String(decoding: letter.key, as: UTF8.self),
        id: String(decoding: letter.eventID, as: UTF8.self)),
      old: step == .onlyNew ? nil : Self.text(merge.old.row),
      new: step == .onlyOld ? nil : Self.text(merge.new.row))
  }

  private static func text(_ row: RowBuffer) -> String { "\(row.text(1) ?? ""): \(row.text(2) ?? "")" }
}

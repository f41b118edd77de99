import MoontideCore

/// Where a fold leaves marks to go on from: spread over the log, not nearer to each other than
/// `Limits.foldMarksMax` of them would be, nor than `Limits.foldMarkInterval`. Pure.
struct FoldMarks {
  /// How many records a batch takes, so that marks fall between batches.
  let batchRecords: Int
  /// Records between two marks: some batches.
  let interval: UInt64
  private var places: [UInt64]

  /// - Parameter known: the positions of folds that stand for the moment that is asked.
  init(_ known: [Position], logEnd: Position) {
    let wanted = Int(max(Limits.foldMarkInterval, logEnd.value / UInt64(Limits.foldMarksMax)))
    let batches = (wanted + Limits.readRecordsDeepMax - 1) / Limits.readRecordsDeepMax
    batchRecords = wanted / batches
    interval = UInt64(batchRecords * batches)
    places = known.map(\.value)
  }

  /// Whether a fold that has come to `position` is worth keeping. Only one that left out next to nothing
  /// stands for many moments.
  func isDue(at position: Position, _ span: FoldSpan) -> Bool {
    guard span.leftOut * Limits.foldLeftOutShare <= position.value else { return false }
    let near = places.filter { $0 <= position.value }.max() ?? 0
    let next = places.filter { $0 > position.value }.min() ?? .max
    return position.value - near >= interval && next - position.value >= interval / 2
  }

  mutating func note(_ position: Position) { places.append(position.value) }
}

import MoontideCore

/// Whether holding back the row operations of a table is worth it. Where the keys of a batch do not repeat,
/// merging spares no statement and costs a hash and a copy of each row: then some batches go without, and
/// one tries again. What the tables hold in the end is the same either way.
struct FoldPause {
  private var operations = 0
  private var rows = 0
  private var left = 0

  /// Asked at the beginning of each batch.
  mutating func allowsNext() -> Bool {
    if left == 0 { return true }
    left -= 1
    return false
  }

  /// So many operations became so many rows.
  mutating func note(merged operations: Int, rows: Int) {
    self.operations += operations
    self.rows += rows
  }

  /// At the end of a batch that folded.
  mutating func judge() {
    if operations >= Limits.foldJudgedOperations, rows * 20 > operations * 19 {
      left = Limits.foldPauseBatches
    }
    operations = 0
    rows = 0
  }
}

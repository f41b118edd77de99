@testable import MoontideSQLite
import MoontideCore
import Testing

@Suite struct FoldPauseTests {
  /// How many of so many batches are merged, when each gives `rows` rows for `operations`.
  private func merged(_ pause: inout FoldPause, batches: Int, operations: Int, rows: Int) -> Int {
    var merged = 0
    for _ in 0..<batches where pause.allowsNext() {
      merged += 1
      pause.note(merged: operations, rows: rows)
      pause.judge()
    }
    return merged
  }

  @Test func `a table whose keys do not repeat goes without merging, and tries again`() {
    let round = Limits.foldPauseBatches + 1
    var pause = FoldPause()
    #expect(merged(&pause, batches: round * 3, operations: 5_000, rows: 4_900) == 3)
    #expect(merged(&pause, batches: round, operations: 5_000, rows: 4_000) == round)
  }

  @Test func `a small batch says nothing about the next`() {
    var pause = FoldPause()
    let few = Limits.foldJudgedOperations - 1
    #expect(merged(&pause, batches: 10, operations: few, rows: few) == 10)
  }

  @Test func `with and without pauses the file is the same`() throws {
    let scratch = try Scratch()
    let schema = "create table t(k text primary key, n integer default 0, s text)"
    var dumps: [String] = []
    for folding in [true, false] {
      let store = try makeStore(scratch, schema, name: "\(folding).sqlite")
      for batch in 0..<40 {
        let tx = try store.begin(folding: folding)
        for index in 0..<Int64(Limits.foldJudgedOperations + 44) {
          // Ten batches of ever new keys, ten in which a few keys come again and again, and so on.
          let key = batch / 10 % 2 == 0 ? Int64(batch) * 1_000 + index : index % 7
          try tx.row(.put, 0, [.text("k\(key)"), nil, .text("batch \(batch)")])
          try tx.row(.add, 0, [.text("k\(key)"), nil, .int(index), nil])
        }
        try tx.commit()
      }
      dumps.append("\(try dump(store.path))")
    }
    #expect(dumps[0] == dumps[1])
    #expect(dumps[0].contains("batch 39"))
  }
}

import MoontideCore

/// Which lines of one batch are to be set aside as conflicts, decided over the rounds of its append.
///
/// An identity that the log holds it holds for ever: a conflict with it stays. A conflict with an earlier
/// line of the same batch lasts only as long as that line is to be written: when somebody else publishes the
/// other body in between, the earlier line is the one in conflict and the later one a repeat. So a new
/// conflict with the log drops what was decided among the lines, and the next round decides it anew.
struct ConflictRounds {
  /// The drafts as they were parsed.
  let drafts: [Draft]
  /// How many bytes of their batch they take; notes come behind.
  let bytes: Int
  /// Index of the parsed draft that each draft of the request stands for.
  private(set) var order: [Int]
  private var byLog: [Int: AppendOutcome.Conflict] = [:]
  private var byLine: [Int: AppendOutcome.Conflict] = [:]
  /// Lines whose note is in the log already, under another name of the file.
  private var kept: Set<Int> = []

  init(_ drafts: [Draft], bytes: Int) {
    self.drafts = drafts
    self.bytes = bytes
    order = Array(drafts.indices)
  }

  /// How many lines are set aside for a conflict.
  var count: UInt64 { UInt64(byLog.count + byLine.count) }

  /// The conflict that a parsed draft is set aside for, or nil.
  func conflict(_ index: Int) -> AppendOutcome.Conflict? { byLog[index] ?? byLine[index] }

  /// Takes what an append answered about the request in `order`. Ends: each call adds a conflict with the
  /// log, or one among the lines while none comes with the log.
  mutating func take(_ found: [AppendOutcome.Conflict]) {
    var isStale = false
    var among: [(Int, AppendOutcome.Conflict)] = []
    for conflict in found {
      let index = order[conflict.index]
      if self.conflict(index) != nil || drafts[index].envelope.kind == .quarantine {
        kept.insert(index)
      } else if conflict.position != nil {
        byLog[index] = conflict
        isStale = true
      } else {
        among.append((index, conflict))
      }
    }
    if isStale {
      kept = kept.filter { byLine[$0] == nil }
      byLine = [:]
    }
    for (index, conflict) in among { byLine[index] = conflict }
    order = drafts.indices.filter { !kept.contains($0) }
  }
}

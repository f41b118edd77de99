import MoontideCore

/// Which kept folds of one read model go. Pure.
struct FoldPruning {
  /// A fold as far as this decides.
  struct Kept: Hashable {
    var name: String
    var role: FoldNote.Role
    var position: Position
    /// It left out nothing: it stands for what the log held, and for all late moments.
    var isPlain = true
    var bytes: UInt64
    /// Microseconds since 1970.
    var usedMicroseconds: Int64
  }

  var marksMax = Limits.foldMarksMax
  var answersMax = Limits.foldAnswersMax
  /// Of all together; one fold is kept even when it is larger.
  var bytesMax: UInt64

  /// Names of those that go: answers that were not used for longest, and marks that lie closest between
  /// their neighbours, so that the others stay spread over the log. Marks that left out something, such as
  /// one event of a wrong year, cannot stand in for plain ones, nor these for them: each kind is spread by
  /// itself.
  func superfluous(_ kept: [Kept]) -> [String] {
    var answers = kept.filter { $0.role == .answer }.sorted { $0.usedMicroseconds > $1.usedMicroseconds }
    var marks = [true, false].map { isPlain in
      kept.filter { $0.role == .mark && $0.isPlain == isPlain }
        .sorted { ($0.position, $0.name) < ($1.position, $1.name) }
    }
    var gone: [String] = []
    func thin(_ kind: Int) { gone.append(marks[kind].remove(at: FoldPruning.closest(marks[kind])).name) }
    while answers.count > answersMax { gone.append(answers.removeLast().name) }
    for kind in marks.indices { while marks[kind].count > marksMax { thin(kind) } }
    func bytes() -> UInt64 { (answers + marks.joined()).reduce(0) { $0 + $1.bytes } }
    while bytes() > bytesMax, answers.count + marks.joined().count > 1 {
      // The answer that was used last is being looked at.
      if answers.count > 1 || marks.allSatisfy(\.isEmpty) {
        gone.append(answers.removeLast().name)
      } else {
        thin(marks[0].count >= marks[1].count ? 0 : 1)
      }
    }
    return gone
  }

  /// The index of the mark whose neighbours are nearest to each other; the last one has the farthest: it is
  /// where new events are folded from.
  private static func closest(_ marks: [Kept]) -> Int {
    var best = (index: marks.count - 1, gap: UInt64.max)
    for index in marks.indices.dropLast() {
      let before = index == 0 ? 0 : marks[index - 1].position.value
      let gap = marks[index + 1].position.value - before
      if gap < best.gap { best = (index, gap) }
    }
    return best.index
  }
}

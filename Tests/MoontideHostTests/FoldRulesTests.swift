import MoontideCore
import Testing

@testable import MoontideHost

/// Which kept folds may be used, which are kept, and which go.
struct FoldRulesTests {
  @Test func `a fold stands for every time between what it took in and what it left out`() {
    var span = FoldSpan()
    #expect(span.stands(for: .min) && span.stands(for: .max), "of nothing, for all")
    span.latest = 100
    #expect(!span.stands(for: 99) && span.stands(for: 100) && span.stands(for: .max))
    span.leaveOut(300)
    span.leaveOut(200)
    span.passBy(2)
    #expect(span.stands(for: 100) && span.stands(for: 199))
    #expect(!span.stands(for: 99) && !span.stands(for: 200) && !span.stands(for: .max))
  }

  @Test func `the note of a fold comes back from its text, and no changed byte goes unseen`() throws {
    var note = FoldNote(
      log: Digest.zero.description, scriptVersion: "0123", position: Position(48_211),
      fingerprint: Digest(high: 7, low: 9),
      span: FoldSpan(latest: -5, earliestLeftOut: 77, leftOut: 3), decided: 2, role: .mark, bytes: 8_192,
      checksum: 4_000_000_000)
    #expect(FoldNote(text: note.text) == note)
    note.span = FoldSpan()
    #expect(FoldNote(text: note.text) == note)
    let bytes = Array(note.text.utf8)
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 1
      #expect(FoldNote(text: String(decoding: damaged, as: UTF8.self)) == nil, "byte \(index)")
      #expect(FoldNote(text: String(decoding: bytes[..<index], as: UTF8.self)) == nil, "\(index) bytes")
    }
  }

  @Test func `marks are spread over the log, and stay so as it grows`() {
    var kept: [FoldPruning.Kept] = []
    var gone = 0
    var end: UInt64 = 0
    for _ in 0..<60 {
      let from = end
      end += 100_000
      var marks = FoldMarks(kept.map(\.position), logEnd: Position(end))
      for position in stride(from: from, through: end, by: 20_000)
      where marks.isDue(at: Position(position), FoldSpan()) {
        marks.note(Position(position))
        kept.append(
          .init(
            name: "m\(position)", role: .mark, position: Position(position), bytes: 10, usedMicroseconds: 0))
      }
      let names = Set(FoldPruning(bytesMax: 1_000_000).superfluous(kept))
      gone += names.count
      kept.removeAll { names.contains($0.name) }
      #expect(kept.count <= Limits.foldMarksMax)
    }
    #expect(gone > 0)
    var places = kept.map(\.position.value).sorted()
    places.insert(0, at: 0)
    let gaps = zip(places.dropFirst(), places).map { $0 - $1 } + [end - places[places.count - 1]]
    #expect(gaps.max() ?? 0 <= end / 4, "\(places)")
  }

  @Test func `a fold that left out more than one event in a hundred is no mark`() {
    let marks = FoldMarks([], logEnd: Position(100_000))
    var span = FoldSpan()
    span.passBy(999)
    #expect(marks.isDue(at: Position(99_900), span))
    span.passBy(1)
    #expect(!marks.isDue(at: Position(99_900), span))
    #expect(!marks.isDue(at: Position(8_332), FoldSpan()) && marks.isDue(at: Position(8_333), FoldSpan()))
    #expect(marks.batchRecords == 8_333)
    #expect(FoldMarks([], logEnd: Position(1_000_000)).batchRecords == 16_666)
  }

  @Test func `marks that left out something never drive out plain ones, nor these them`() {
    var marks: [FoldPruning.Kept] = []
    for number in 1...20 {
      let position = Position(UInt64(number) * 1_000)
      for isPlain in [true, false] {
        marks.append(
          FoldPruning.Kept(
            name: "\(isPlain ? "plain" : "narrow")\(number)", role: .mark, position: position,
            isPlain: isPlain, bytes: 10, usedMicroseconds: 0))
      }
    }
    let gone = FoldPruning(bytesMax: 1_000_000).superfluous(marks)
    #expect(gone.count { $0.hasPrefix("plain") } == 20 - Limits.foldMarksMax)
    #expect(gone.count { $0.hasPrefix("narrow") } == 20 - Limits.foldMarksMax)
    let few = FoldPruning(bytesMax: 100).superfluous(marks)
    #expect(few.count { $0.hasPrefix("plain") } == 15 && few.count { $0.hasPrefix("narrow") } == 15)
  }

  @Test func `answers go by their last use, and bytes are bounded with one fold left`() {
    let answers = (0..<6).map {
      FoldPruning.Kept(
        name: "a\($0)", role: .answer, position: Position(9), bytes: 100,
        usedMicroseconds: [3, 9, 1, 7, 5, 8][$0])
    }
    #expect(FoldPruning(bytesMax: 10_000).superfluous(answers) == ["a2", "a0"])
    #expect(FoldPruning(bytesMax: 250).superfluous(answers) == ["a2", "a0", "a4", "a3"])
    #expect(FoldPruning(bytesMax: 1).superfluous(answers).count == 5)
    #expect(FoldPruning(bytesMax: 1).superfluous([]) == [])
  }
}

import BorrowedFixtures
import Foundation
import Testing

/// Whole read models as they were, against a fold of the source lines that shares nothing with ours.
/// `MOONTIDE_TIMES` sets how many moments of each set are asked, and then takes all of its events;
/// `MOONTIDE_SEED` repeats.
@Suite(.serialized, .needsBorrowedFixtures) struct AsOfTests {
  /// Lines of a set in a quick run.
  private static let quickLines = 2_000
  private static let times = ProcessInfo.processInfo.environment["MOONTIDE_TIMES"].flatMap(Int.init)
  private static let seed =
    ProcessInfo.processInfo.environment["MOONTIDE_SEED"].flatMap(UInt64.init)
    ?? UInt64.random(in: .min ... .max)

  private static func lines(_ set: String) throws -> [String] {
    let all = try Gzip.text(try BorrowedFixtures.events(set)).split(separator: "\n").map(String.init)
    return times == nil ? Array(all.prefix(quickLines)) : all
  }

  @Test(arguments: ["retail", "orders", "flights-jan"])
  func `a read model as of any time is the fold of what had happened by then`(set: String) throws {
    let (handlers, question) = try #require(PastQuestion.sets[set])
    print("as-of \(set): MOONTIDE_SEED=\(Self.seed)")
    var random = SeededGenerator(seed: Self.seed)
    let lines = try Self.lines(set)
    let project = try TestProject()
    try project.useHandlers(of: handlers)
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/\(set).jsonl")
    try project.runOnce(["--fail-on-dead"])
    let fold = try LineFold(lines, more: question.prepared)
    let times = try fold.times()
    for round in 0..<(Self.times ?? 4) {
      let event = times[Int.random(in: times.indices, using: &random)]
      let span = try #require(times.min())...(try #require(times.max()))
      // Right at an event, right before one, or anywhere.
      let until = [event, event - 1, Int64.random(in: span, using: &random)][round % 3]
      let answer = try project.query(question.asked, ["--as-of", LineFold.text(until)])
      let expected = try fold.query(question.judged, until: until)
      #expect(
        answer == expected, "\(set) as of \(LineFold.text(until)), MOONTIDE_SEED=\(Self.seed)")
    }
  }

  @Test func `a log that grew in five sittings tells what was known after each of them`() throws {
    print("as-known: MOONTIDE_SEED=\(Self.seed)")
    var random = SeededGenerator(seed: Self.seed)
    // Every tenth line comes much later than its time says.
    var lines = try Self.lines("orders")
    for index in lines.indices where Int.random(in: 0..<10, using: &random) == 0 {
      lines.swapAt(index, Int.random(in: index..<lines.count, using: &random))
    }
    let question = PastQuestion.orders
    let project = try TestProject()
    try project.useHandlers(of: "orders")
    let fold = try LineFold(lines, more: question.prepared)
    var sittings: [(end: Int, recorded: String)] = []
    for sitting in 1...5 {
      let end = sitting * lines.count / 5
      try project.write(
        lines[(sittings.last?.end ?? 0)..<end].joined(separator: "\n") + "\n", to: "events/\(sitting).jsonl")
      try project.runOnce(["--fail-on-dead"])
      let last = try project.query("select max(position), max(recorded) from sys.events")
      #expect(last[0][0] == JSONCell("\(end - 1)"))
      sittings.append((end, last[0][1].description))
    }
    let times = try fold.times()
    for (end, recorded) in sittings {
      let expected = try fold.query(question.judged, before: end)
      #expect(
        try project.query(question.asked, ["--as-known", recorded]) == expected, "as known \(recorded)")
      #expect(try project.query(question.asked, ["--as-known", "#\(end - 1)"]) == expected, "before #\(end)")
      for _ in 0..<(Self.times.map { $0 / 5 } ?? 1) {
        let until = times[Int.random(in: times.indices, using: &random)]
        #expect(
          try project.query(question.asked, ["--as-known", recorded, "--as-of", LineFold.text(until)])
            == fold.query(question.judged, until: until, before: end),
          "as of \(LineFold.text(until)), as known \(recorded), MOONTIDE_SEED=\(Self.seed)")
      }
      let known = Int.random(in: 0..<lines.count, using: &random)
      #expect(
        try project.query(question.asked, ["--as-known", "#\(known)"])
          == fold.query(question.judged, before: known + 1), "as known #\(known), MOONTIDE_SEED=\(Self.seed)")
    }
  }
}

import Foundation
import BorrowedFixtures
import Testing

/// Answers that others computed, from real and simulated events, to the last digit.
@Suite(.serialized, .needsBorrowedFixtures) struct TruthTests {
  @Test(arguments: ["retail", "orders"])
  func `read models give every answer of the truth`(set: String) throws {
    let project = try TestProject()
    try project.useHandlers(of: set)
    try project.useEvents(of: set)
    try project.runOnce(["--fail-on-dead"])
    try Self.check(project, set)
  }

  @Test func `repeats near and far change nothing, and another body under a known id is set aside`() throws {
    let project = try TestProject()
    try project.useHandlers(of: "orders")
    let text = try Gzip.text(try BorrowedFixtures.events("orders"))
    var lines = text.split(separator: "\n").map(String.init)
    var random = SeededGenerator(seed: 20_261_123)
    let repeated = (0..<3_000).map { _ in lines[Int.random(in: 0..<lines.count, using: &random)] }
    let conflict = lines[7].replacing("\"version\":1", with: "\"version\":2")
    #expect(conflict != lines[7])
    // A third near (within a few lines), a third far, a third in another file.
    for line in repeated[..<1_000] {
      guard let at = lines.firstIndex(of: line) else { continue }
      lines.insert(line, at: min(lines.count, at + 1 + Int.random(in: 0..<20, using: &random)))
    }
    lines += repeated[1_000..<2_000]
    try project.write(lines.joined(separator: "\n") + "\n" + conflict + "\n", to: "events/a.jsonl")
    try project.write(repeated[2_000...].joined(separator: "\n") + "\n", to: "events/b.jsonl")
    try project.runOnce()
    try Self.check(project, "orders")
    let dead = try project.query("select handler, event_id from sys.dead_letters")
    #expect(dead.count == 1, "\(dead)")
    let kept = try project.query("select count(*), count(distinct id), max(version) from sys.events")
    #expect(kept == [[JSONCell("22367"), JSONCell("22367"), JSONCell("1")]])
  }

  @Test(arguments: ["loans", "flights-jan"])
  func `a timeline matches the facts`(set: String) throws {
    let project = try TestProject()
    try project.useHandlers(of: "timeline")
    try project.useEvents(of: set)
    try project.runOnce(["--fail-on-dead"])
    let facts = try #require(
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: try BorrowedFixtures.url("data/events/\(set)/facts.json")))
        as? [String: Any])
    let totals = try project.query(
      """
      select events, first_time, latest_time, behind, worst_us / 1000, same_as_before,
        (select sum(behind) from keys), (select count(*) from keys) from totals
      """)
    let names = [
      "events", "firstTime", "lastTime", "eventsBehindTheGlobalMaximumTime", "maxLagMs",
      "sameInstantAsTheLineBefore", "eventsBehindTheirKeysMaximumTime", "distinctKeys",
    ]
    #expect(totals == [try names.map { JSONCell(json: try #require(facts[$0])) }])
    let types = try #require(facts["types"] as? [String: Any]).map {
      [JSONCell($0.key), JSONCell(json: $0.value)]
    }
    #expect(Set(try project.query("select type, events from types")) == Set(types))
    let busiest = try #require(facts["busiestKeys"] as? [[Any]]).map { JSONCell(json: $0[1]) }
    #expect(try project.query("select events from keys order by 1 desc limit 10").map { $0[0] } == busiest)
  }

  @Test func `each line of the webhooks comes out of the export byte for byte`() throws {
    let project = try TestProject()
    try project.useEvents(of: "webhooks")
    try project.runOnce()
    let exported = try Binary.succeed(["events", "export", project.path, "--no-recorded"])
    #expect(exported == (try Gzip.text(try BorrowedFixtures.events("webhooks"))))
  }

  private static func check(_ project: TestProject, _ set: String) throws {
    let truth = try #require(
      try JSONSerialization.jsonObject(
        with: Data(contentsOf: try BorrowedFixtures.url("data/events/\(set)/truth.json")))
        as? [String: [String: Any]])
    let questions = try TestProject.questions(set)
    #expect(Set(truth.keys) == Set(questions.keys))
    for (name, sql) in questions {
      let answer = try #require(truth[name]?["answer"])
      let rows = (answer as? [[Any]]) ?? [[answer]]
      let expected = rows.map { $0.map { JSONCell(json: $0) } }
      #expect(try project.query(sql) == expected, "\(name)")
    }
  }
}

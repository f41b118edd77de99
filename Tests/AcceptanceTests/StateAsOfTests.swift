import BorrowedFixtures
import Foundation
import Testing

/// States of streams as they were, against a fold of the source lines that shares nothing with ours.
/// `MOONTIDE_TIMES` sets how many keys and moments are asked, and then takes all events of the set;
/// `MOONTIDE_SEED` repeats.
@Suite(.serialized, .needsBorrowedFixtures) struct StateAsOfTests {
  /// Lines of the set in a quick run.
  private static let quickLines = 2_000
  private static let times = ProcessInfo.processInfo.environment["MOONTIDE_TIMES"].flatMap(Int.init)
  private static let seed =
    ProcessInfo.processInfo.environment["MOONTIDE_SEED"].flatMap(UInt64.init)
    ?? UInt64.random(in: .min ... .max)

  /// What `StreamLines` folds, as a script. `trail` depends on the order of the events.
  private static let decider = """
    decider "loan" {
      topic = "events", key = "loan", snapshot_every = 3,
      initial = function() return { events = 0, trail = 0, types = {} } end,
      decide = {
        Note = function(command, state) return events.Noted { number = state.events } end,
      },
      evolve = {
        ["*"] = function(state, event)
          state.events = state.events + 1
          state.trail = (state.trail * 31 + tonumber(event.id:match("(%d+)$") or "0") + #event.type) % 1000003
          state.types[event.type] = (state.types[event.type] or 0) + 1
          state.last = event.time
          state.resource = event.data.resource or state.resource
          if event.data.amountRequested then state.amount = event.data.amountRequested end
          return state
        end,
      },
    }
    """

  private static func lines() throws -> [String] {
    let all = try Gzip.text(try BorrowedFixtures.events("loans")).split(separator: "\n").map(String.init)
    return times == nil ? Array(all.prefix(quickLines)) : all
  }

  /// The lines with every tenth of them much later than its time says.
  private static func late(_ lines: [String], _ random: inout SeededGenerator) -> [String] {
    var lines = lines
    for index in lines.indices where Int.random(in: 0..<10, using: &random) == 0 {
      lines.swapAt(index, Int.random(in: index..<lines.count, using: &random))
    }
    return lines
  }

  private static func project(_ lines: [String]) throws -> TestProject {
    let project = try TestProject()
    try project.write(decider, to: "handlers/loan.lua")
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/loans.jsonl")
    try project.runOnce(["--fail-on-dead"])
    return project
  }

  /// The rows that `state` prints, without where they lie.
  private static func ask(_ project: TestProject, _ key: String, _ more: [String]) throws
    -> [StreamLines.Step]
  {
    let text = try Binary.succeed(["-C", project.path, "state", "loan", key, "--json"] + more)
    let rows = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
    return try rows.map { row in
      let state = try #require(row["state"] as? String)
      return StreamLines.Step(
        version: try #require(row["version"] as? Int), time: row["time"] as? String,
        type: row["type"] as? String,
        state: try #require(try JSONSerialization.jsonObject(with: Data(state.utf8)) as? NSDictionary))
    }
  }

  @Test(arguments: [false, true])
  func `the state of a stream at any moment is the fold of its lines that count then`(late: Bool) throws {
    print("state: MOONTIDE_SEED=\(Self.seed)")
    var random = SeededGenerator(seed: Self.seed)
    var lines = try Self.lines()
    if late { lines = Self.late(lines, &random) }
    let project = try Self.project(lines)
    let fold = try StreamLines(lines)
    #expect(late == (fold.lateStreams > 10), "\(fold.lateStreams) streams have late events")
    let keys = fold.keys
    var hits = 0
    for round in 0..<(Self.times ?? 16) {
      let key = try #require(keys.randomElement(using: &random))
      let own = fold.times(of: key)
      let event = try #require(own.randomElement(using: &random))
      let span = try #require(own.min()).advanced(by: -1)...(try #require(own.max()))
      // Right at one of its events, right before one, or anywhere between.
      let until = [event, event - 1, Int64.random(in: span, using: &random)][round % 3]
      let known = Int.random(in: 0..<lines.count, using: &random)
      let asOf = ["--as-of", StreamLines.text(until)]
      let asKnown = ["--as-known", "#\(known)"]
      let what = "\(key) as of \(StreamLines.text(until)), known #\(known), MOONTIDE_SEED=\(Self.seed)"
      let then = try fold.states(of: key, until: until)
      #expect(try Self.ask(project, key, asOf) == [try #require(then.last)], "\(what)")
      let both = try fold.states(of: key, until: until, before: known + 1)
      hits += both.count - 1
      #expect(try Self.ask(project, key, asOf + asKnown) == [try #require(both.last)], "\(what)")
      #expect(
        try Self.ask(project, key, asKnown)
          == [try #require(try fold.states(of: key, before: known + 1).last)], "\(what)")
      let version = Int.random(in: 0..<then.count, using: &random)
      #expect(
        try Self.ask(project, key, asOf + ["--version", "\(version)"]) == [then[version]],
        "version \(version) of \(what)")
      let all = try fold.states(of: key)
      #expect(try Self.ask(project, key, ["--version", "\(version)"]) == [all[version]], "\(what)")
      #expect(try Self.ask(project, key, asOf + ["--history"]) == Array(then.dropFirst()), "\(what)")
    }
    #expect(hits > 0, "something was known at the moments asked")
  }

  @Test func `a snapshot and what was decided since never show in the state of a moment before`() throws {
    let lines = try Self.lines()
    let project = try Self.project(lines)
    let fold = try StreamLines(lines)
    let key = try #require(fold.keys.max { fold.times(of: $0).count < fold.times(of: $1).count })
    let before = try fold.states(of: key)
    for number in 1...4 {
      try Binary.succeed(
        ["-C", project.path, "send", "Note", "-d", #"{"loan":"\#(key)"}"#, "--id", "n-\(number)", "-q"])
    }
    let now = try Self.ask(project, key, [])
    #expect(now.first?.version == before.count - 1 + 4)
    #expect(now.first?.type == "Noted")
    #expect(
      try Self.ask(project, key, ["--as-known", "#\(lines.count - 1)"]) == [try #require(before.last)])
    #expect(try Self.ask(project, key, ["--as-of", "2013-01-01"]) == [try #require(before.last)])
    #expect(try Self.ask(project, key, ["--version", "\(before.count - 1)"]) == [try #require(before.last)])
    // The same beside a run.
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    #expect(try Self.ask(project, key, ["--as-of", "2013-01-01"]) == [try #require(before.last)])
    #expect(try Self.ask(project, key, []) == now)
    #expect(run.interrupt() == 0)
  }
}

import Foundation
import MoontideCore
import Testing

/// The binary kills itself at every named place, and goes on as if it had not. `MOONTIDE_CRASHES` sets how
/// many arrivals of each place are tried (1).
@Suite(.serialized) struct CrashPointTests {
  private static func handlers(mended: Bool, renamed: Bool = false) -> String {
    let fault = mended ? "" : "if event.data.bad then error(\"no\") end"
    func name(_ old: String) -> String { renamed ? "\"\(old)2\" { was = \"\(old)\"," : "\"\(old)\" {" }
    return """
      consumer \(name("c")) from = "start", retry = { attempts = 2, backoff = "1ms" },
        on = { A = function(event, ctx)
          \(fault)
          ctx.state.n = (ctx.state.n or 0) + 1
          ctx.emit { type = "B", topic = "out", data = { i = event.data.i, n = ctx.state.n } }
          ctx.effect("log", { file = "out.log", text = event.id, about = event.data.i })
        end },
        on_result = function(result, ctx)
          ctx.emit { type = "Done", topic = "done", data = { i = result.data.about } }
        end }
      projection \(name("p"))
        schema = "create table t(k text primary key, n integer not null) without rowid",
        on = { ["*"] = function(event, db)
          \(fault)
          db.t:add(event.key, { n = event.data.i })
        end } }
      decider "d" { topic = "ledger", key = "k", snapshot_every = 2,
        initial = function() return { n = 0 } end,
        decide = { Add = function(command, state)
          return events.Added { i = command.data.i, n = state.n }
        end },
        evolve = { Added = function(state)
          state.n = state.n + 1
          return state
        end } }
      """
  }

  private static let events = (0..<40).map { index in
    #"{"id":"a-\#(index)","type":"A","key":"k\#(index % 7)","data":{"i":\#(index)"#
      + "\(index % 11 == 3 ? #","bad":1"# : "")}}\n"
  }.joined()

  private static let commands = (0..<12).map { index in
    #"{"id":"c-\#(index)","type":"Add","data":{"k":"k\#(index % 3)","i":\#(index)}}"# + "\n"
  }.joined()

  /// A project in the hands of a person, who starts again what died.
  private final class Story {
    let project: TestProject
    let restored: TestProject
    /// What every process has in its environment until one dies.
    var environment: [String: String]
    private(set) var deaths: [String] = []

    init(crashAt place: String?) throws {
      project = try TestProject()
      restored = try TestProject()
      environment = place.map { ["MOONTIDE_CRASH_AT": $0] } ?? [:]
    }

    func go(_ arguments: [String]) throws {
      var outcome = try Binary.run(arguments, environment: environment, deadline: .seconds(60))
      if outcome.status == SIGKILL, !environment.isEmpty {
        deaths.append(arguments[0])
        environment = [:]
        outcome = try Binary.run(arguments, deadline: .seconds(60))
      }
      #expect(outcome.status == 0, "\(arguments): \(outcome.status) \(outcome.errors)")
    }

    func tell() throws {
      try project.write(CrashPointTests.handlers(mended: false), to: "handlers/a.lua")
      try project.write(CrashPointTests.events, to: "events/a.jsonl")
      try project.write(CrashPointTests.commands, to: "commands/c.jsonl")
      try go(["run", project.path, "--once", "-q"])
      try project.write(CrashPointTests.handlers(mended: true), to: "handlers/a.lua")
      try go(["dead", "retry", "--all", "-C", project.path])
      try go(["run", project.path, "--once", "-q"])
      try go(["projection", "rebuild", project.path, "p", "-q"])
      try go(["projection", "rollback", project.path, "p", "-q"])
      try project.write(CrashPointTests.handlers(mended: true, renamed: true), to: "handlers/a.lua")
      try go(["run", project.path, "--once", "-q"])
    }

    /// Copies the project away and back.
    func copy() throws {
      let archive = project.folder.appending(path: "whole.tar").path
      try go(["backup", archive, "-C", project.path])
      try go(["restore", archive, restored.path])
    }

    /// What is there for everybody to see: events per key in their order, and the rows.
    func outcome(_ project: TestProject) throws -> [[JSONCell]] {
      try project.query("select key, type, data from sys.events order by topic, key, position")
        + project.query("select k, n from t order by k")
    }
  }

  @Test func `every named crash point is survived without a loss or a repetition`() throws {
    let calm = try Story(crashAt: nil)
    try calm.tell()
    let wanted = try calm.outcome(calm.project)
    #expect(wanted.count == 40 + 40 + 40 + 12 + 7, "\(wanted.count) events and rows")
    let times = ProcessInfo.processInfo.environment["MOONTIDE_CRASHES"].flatMap(Int.init) ?? 1
    // Scripts that are taken up by a run that goes on: see `ReloadEdgeTests` and `ReturnTests`.
    let live: Set<CrashPoint> = [.duringTakeover, .duringArchive, .afterArchive, .duringReturn, .afterReturn]
    for point in CrashPoint.allCases where !live.contains(point) {
      for time in 1...max(1, times) {
        let place = "\(point.rawValue):\(time)"
        let story = try Story(crashAt: place)
        try story.tell()
        var copies: [TestProject] = []
        if [.duringBackup, .duringRestore].contains(point) {
          try story.copy()
          copies = [story.restored]
        }
        if story.deaths.isEmpty {
          #expect(time > 1, "nothing ever comes to \(place)")
          break
        }
        for project in [story.project] + copies {
          #expect(try story.outcome(project) == wanted, "killed at \(place), in \(story.deaths)")
        }
        let path = story.project.path
        for command in [["events", "verify", path], ["projection", "verify", path, "p2"]] {
          let proof = try Binary.run(command)
          #expect(proof.status == 0, "killed at \(place): \(command): \(proof.output) \(proof.errors)")
        }
      }
    }
  }

  @Test func `a name that is none is told with the nearest one`() throws {
    let project = try TestProject()
    for text in ["before-comit", "before-commit:0", "before-commit:x", "before-commit:1:2", ""] {
      let outcome = try Binary.run(
        ["run", project.path, "--once"], environment: ["MOONTIDE_CRASH_AT": text])
      #expect(outcome.status == 2 && outcome.errors.contains("E0696"), "\(text): \(outcome.errors)")
      if text == "before-comit" { #expect(outcome.errors.contains("before-commit")) }
    }
    let page = try Binary.succeed(["explain", "E0696"])
    for point in CrashPoint.allCases { #expect(page.contains(point.rawValue), "\(point)") }
  }
}

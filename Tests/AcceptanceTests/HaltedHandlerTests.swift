import Foundation
import Testing

/// Handlers that stop at what fails, and ids that several handlers share.
@Suite(.serialized) struct HaltedHandlerTests {
  private static func handlers(mended: Bool = false, policy: String = "halt") -> String {
    let fault = mended ? "" : "if event.data.bad then error(\"no\") end"
    return """
      consumer "c" { from = "start", retry = { attempts = 2, backoff = "1ms" }, exhausted = "\(policy)",
        on = { A = function(event, ctx)
          \(fault)
          ctx.emit { type = "B", topic = "out", data = { i = event.data.i } }
        end },
      }
      projection "p" { schema = "create table t(i integer primary key)", exhausted = "halt",
        on = { A = function(event, db)
          \(fault)
          db.t:put { i = event.data.i }
        end },
      }
      """
  }

  private func project(policy: String = "halt") throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.handlers(policy: policy), to: "handlers/a.lua")
    var lines = ""
    for index in 0..<6 {
      let more = index == 2 ? #","bad":1"# : ""
      lines +=
        #"{"id":"a-\#(index)","type":"A","key":"k\#(index % 2)","data":{"i":\#(index)\#(more)}}"# + "\n"
    }
    try project.write(lines, to: "events/a.jsonl")
    return project
  }

  private func emitted(_ project: TestProject) throws -> [String] {
    try project.query("select data ->> 'i' from sys.events where topic = 'out' order by 1").map {
      $0[0].description
    }
  }

  private func numbers(_ project: TestProject) throws -> [String] {
    try project.query("select i from t order by 1").map { $0[0].description }
  }

  @Test func `what stopped a handler is a dead letter; a mended script, or a skip, gets it going`() throws {
    for mends in [true, false] {
      let project = try project()
      let stopped = try Binary.run(["run", project.path, "--once"])
      #expect(stopped.status == 2, "\(stopped.errors)")
      #expect(stopped.errors.contains("dead letter d-2"), "\(stopped.errors)")
      // Each stops on its own; the run of both may end with the first.
      for name in ["c", "p"] {
        #expect(try Binary.run(["run", project.path, "--once", "-q", "--only", name]).status == 2)
      }
      #expect(
        try project.query("select handler, id from sys.dead_letters order by 1")
          == [[JSONCell("c"), JSONCell("d-2")], [JSONCell("p"), JSONCell("d-2")]])
      #expect(
        try project.query("select name, state, dead from sys.handlers order by 1").map { $0[1].description }
          == ["halted", "halted"])
      let again = try Binary.run(["dead", "retry", project.path, "d-2@c"])
      #expect(again.status == 1 && again.output.contains("dead"), "\(again.output) \(again.errors)")
      if mends {
        try project.write(Self.handlers(mended: true), to: "handlers/a.lua")
        try Binary.succeed(["dead", "retry", project.path, "d-2@c"])
      } else {
        try Binary.succeed(["dead", "skip", project.path, "d-2", "--reason", "a test"])
      }
      try project.runOnce()
      let wanted = ["0", "1"] + (mends ? ["2"] : []) + ["3", "4", "5"]
      #expect(try emitted(project) == wanted && numbers(project) == wanted, "mended \(mends)")
      #expect(try project.query("select count(*) from sys.dead_letters") == [[JSONCell("0")]])
      #expect(try Binary.run(["doctor", project.path]).status == 0)
    }
  }

  @Test func `handlers that stopped in a run are started again by it once something is decided`() throws {
    let project = try project()
    let run = try LiveRun(["run", project.path])
    try LiveRun.wait("both handlers have stopped") {
      try project.query("select count(*) from sys.handlers where state = 'halted'") == [[JSONCell("2")]]
    }
    let skipped = try Binary.run(["dead", "skip", project.path, "d-2", "--reason", "a test"])
    #expect(skipped.status == 0, "\(skipped.errors)")
    #expect(skipped.output.contains("had stopped: it is started again"), "\(skipped.output)")
    try LiveRun.wait("both handlers are at the end") {
      try numbers(project) == ["0", "1", "3", "4", "5"] && emitted(project) == ["0", "1", "3", "4", "5"]
    }
    try Binary.succeed(["append", "A", "-d", #"{"i":9}"#, "-C", project.path])
    try LiveRun.wait("they go on") { try numbers(project).last == "9" && emitted(project).last == "9" }
    #expect(run.interrupt() == 0)
  }

  @Test func `an id that several handlers share stands for all of them, and says how to name one`() throws {
    let project = try project(policy: "park")
    _ = try Binary.run(["run", project.path, "--once", "-q"])
    for name in ["c", "p"] { _ = try Binary.run(["run", project.path, "--once", "-q", "--only", name]) }
    let all = try Binary.run(["dead", "show", project.path, "d-2"])
    #expect(
      all.errors == "d-2 stands for 2 dead letters, one of each handler that failed: d-2@c, d-2@p\n")
    let one = try Binary.run(["dead", "show", project.path, "d-2@p", "--json"])
    let rows = try JSONSerialization.jsonObject(with: Data(one.output.utf8)) as? [[String: Any]]
    #expect(rows?.map { $0["handler"] as? String } == ["p"] && one.errors.isEmpty, "\(one.output)")
    #expect(try Binary.run(["dead", "show", project.path, "d-2@x"]).status == 2)
    let skipped = try Binary.succeed(["dead", "skip", project.path, "d-2@c", "--reason", "one of them"])
    #expect(skipped.contains("c") && !skipped.contains(" p "), "\(skipped)")
    #expect(
      try project.query("select handler from sys.dead_letters") == [[JSONCell("p")]], "the other one stays")
  }

  @Test func `the sum of a run of one handler speaks of that one alone`() throws {
    let project = try project(policy: "park")
    _ = try Binary.run(["run", project.path, "--once", "-q"])
    let errors = try Binary.run(["run", project.path, "--once", "--only", "c"]).errors
    #expect(errors.contains("consumer c: ") && !errors.contains("projection p: "), "\(errors)")
    #expect(errors.contains("warning: 1 dead letter; "), "\(errors)")
  }
}

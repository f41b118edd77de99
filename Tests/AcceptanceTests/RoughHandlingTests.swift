import Foundation
import Glibc
import Testing

/// What a person who is not careful does to a project, and what is said about it.
@Suite(.serialized) struct RoughHandlingTests {
  private static func line(_ id: String, key: String = "k", data: String = "{}") -> String {
    #"{"id":"\#(id)","type":"A","key":"\#(key)","time":"2026-03-02T08:12:40Z","data":\#(data)}"# + "\n"
  }

  @Test func `a pipe among the files of events neither holds up the others nor the end`() throws {
    let project = try TestProject()
    try project.write(Self.line("1"), to: "events/a.jsonl")
    try project.write(Self.line("2"), to: "events/z.jsonl")
    #expect(mkfifo(project.folder.appending(path: "events/m.jsonl").path, 0o600) == 0)
    let process = try Binary.start(["run", project.path, "--once"])
    let watchdog = DispatchWorkItem { kill(process.processIdentifier, SIGKILL) }
    DispatchQueue.global().asyncAfter(deadline: .now() + 60, execute: watchdog)
    process.waitUntilExit()
    watchdog.cancel()
    #expect(process.terminationReason == .exit && process.terminationStatus == 0)
    #expect(try project.query("select id from sys.events").map { $0[0].description } == ["1", "2"])
    let again = try Binary.run(["run", project.path, "--once"])
    #expect(again.errors.contains("warning[E0221]"), "\(again.errors)")
    #expect(again.errors.contains("events/m.jsonl is a pipe"), "\(again.errors)")
  }

  @Test func `a fault is shown once and hides no other`() throws {
    let project = try TestProject()
    for name in ["c", "d"] {
      try project.write(
        "consumer \"\(name)\" { on = { A = function(event) error(event.id) end }, from = \"start\",\n"
          + "  retry = { attempts = 1 } }\n", to: "handlers/\(name).lua")
    }
    try project.write((1...30).map { Self.line("a-\($0)", key: "k-\($0)") }.joined(), to: "events/a.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    for name in ["c", "d"] {
      let shown = run.errors.components(separatedBy: "error[E0301]: consumer \(name) failed").count - 1
      #expect(shown == 1, "\(run.errors)")
      #expect(run.errors.contains("of consumer \(name) at handlers/\(name).lua:1 again"), "\(run.errors)")
    }
    #expect(run.errors.contains("note: 58 more failures of these kinds not shown"), "\(run.errors)")
    #expect(run.errors.contains("warning: 60 dead letters; moontide dead ls"), "\(run.errors)")
  }

  @Test func `a mistyped command is suggested`() throws {
    for (words, meant) in [
      (["quer", "x"], "there is no command quer; did you mean query?"),
      (["events", "tial"], "there is no command events tial; did you mean tail?"),
      (["dead", "lss"], "there is no command dead lss; did you mean ls?"),
      (["frobnicate"], "there is no command frobnicate; moontide help shows those that there are"),
      (["saga", "lss"], "there is no command saga lss; did you mean ls?"),
      (["effects", "lss"], "there is no command effects lss; did you mean ls?"),
      (["test", "orders"], "comes in a later version"),
    ] {
      let outcome = try Binary.run(words)
      #expect(outcome.status == 64 && outcome.errors.contains(meant), "\(outcome.errors)")
    }
  }

  @Test func `the help of every command shows an example`() throws {
    for words in [
      ["new"], ["run"], ["check"], ["query"], ["append"], ["handlers"], ["lag"], ["doctor"], ["explain"],
      ["events", "cat"], ["events", "tail"], ["events", "show"], ["events", "stats"], ["events", "verify"],
      ["events", "export"], ["dead", "ls"], ["dead", "show"],
    ] {
      let help = try Binary.succeed(words + ["--help"])
      let name = "moontide " + words.joined(separator: " ")
      let usage = help.components(separatedBy: "USAGE: ").last ?? ""
      #expect(usage.hasPrefix(name) && !usage.prefix(60).contains("--directory"), "\(help)")
      #expect(help.contains("Example: \(name)") || help.contains("one event\n"), "\(help)")
    }
  }

  @Test func `a statement may begin with a comment`() throws {
    let project = try TestProject()
    #expect(try project.query("-- how many\nselect 41 + 1 as n") == [[JSONCell("42")]])
  }

  @Test func `a function in the settings is one problem among others`() throws {
    let project = try TestProject()
    try project.write(
      "return { budgt = {}, flush = function() end, env = \"HOME\" }\n", to: "moontide.lua")
    let outcome = try Binary.run(["check", project.path])
    #expect(outcome.status == 2)
    let problems = outcome.errors.components(separatedBy: "\n\n")
    #expect(problems.count == 3, "\(outcome.errors)")
    #expect(outcome.errors.contains("moontide.lua:1:") && outcome.errors.contains("`flush`"))
  }

  @Test func `a folder called like a script is a folder`() throws {
    let project = try TestProject()
    try project.write(
      "consumer \"c\" { on = { A = function() end }, from = \"start\" }\n", to: "handlers/old.lua/c.lua")
    let outcome = try Binary.run(["check", project.path])
    #expect(outcome.status == 0 && outcome.errors.contains("ok: 1 consumer"), "\(outcome.errors)")
  }

  @Test func `a loop over what is not there says so`() throws {
    let project = try TestProject()
    try project.write(
      "consumer \"c\" { on = { A = function(event) for _ in ipairs(event.data.items) do end end },\n"
        + "  from = \"start\", retry = { attempts = 1 } }\n", to: "handlers/c.lua")
    try project.write(Self.line("1", data: #"{"item":[1]}"#), to: "events/a.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.errors.contains("bad argument #1 to 'ipairs' (table expected, got nil)"), "\(run.errors)")
    #expect(run.errors.contains("handlers/c.lua:1"), "\(run.errors)")
  }
}

import Foundation
import Glibc
import Testing

/// What a sender or a script may do to the write side without meaning well: the run goes on and says so.
@Suite struct RoughCommandsTests {
  private static let account = """
    decider "account" {
      topic = "accounts", key = "account", snapshot_every = 5,
      decide = {
        Deposit = function(command) return events.Deposited { amount = command.data.amount } end,
        Swell = function() return events.Swelled {} end,
        Refuse = function() return reject("NO", string.rep("\\xff", 2000000)) end,
      },
      evolve = {
        Deposited = function(state, event) return state end,
        Swelled = function(state) state.text = string.rep("\\1", 1000000); return state end,
      },
    }
    """

  private func project() throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.account, to: "handlers/account.lua")
    return project
  }

  private func send(
    _ project: TestProject, _ command: String, _ data: String, _ more: [String] = []
  ) throws -> Binary.Outcome {
    try Binary.run(
      ["-C", project.path, "send", command, "-d", data, "-o", "csv"] + more, deadline: .seconds(60))
  }

  private func start(_ project: TestProject) throws -> LiveRun {
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    return run
  }

  @Test func `a depth of causes that no chain has is refused, not counted on from`() throws {
    let project = try project()
    try project.write(
      """
      consumer "echo" { from = "start", retry = { attempts = 1 },
        on = { Thing = function(event, ctx) ctx.emit { type = "Echo", data = { n = 1 } } end },
      }
      """, to: "handlers/echo.lua")
    let deep = #""meta":{"causationdepth":9223372036854775807}"#
    let deeper = #""meta":{"causationdepth":1e400}"#
    try project.write(
      #"{"id":"c-1","type":"Deposit","data":{"account":"a","amount":1},\#(deep)}"# + "\n"
        + #"{"id":"c-2","type":"Deposit","data":{"account":"a","amount":1},"meta":{"causationdepth":-3}}"#
        + "\n",
      to: "commands/deep.jsonl")
    try project.write(
      #"{"id":"t-1","type":"Thing","data":{},\#(deep)}"# + "\n"
        + #"{"id":"t-2","type":"Thing","data":{},\#(deeper)}"# + "\n", to: "events/deep.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.status == 0, "\(run.status): \(run.errors)")
    #expect(
      try project.query("select id, outcome, code from sys.commands order by id")
        == [
          [JSONCell("c-1"), JSONCell("failed"), JSONCell("E0309")],
          [JSONCell("c-2"), JSONCell("accepted"), JSONCell("")],
        ])
    let dead = try Binary.succeed(["dead", "ls", project.path, "-o", "csv"])
    #expect(dead.contains("E0309"), "\(dead)")
  }

  @Test func `an answer of many megabytes does not end the run`() throws {
    let project = try project()
    let run = try start(project)
    #expect(try send(project, "Swell", #"{"account":"a"}"#).status == 0)
    let refused = try send(project, "Refuse", #"{"account":"a"}"#, ["--explain"])
    #expect(refused.status == 1, "\(refused.errors)")
    let text = try project.query("select length(text), substr(text, -1) from sys.commands where code = 'NO'")
    #expect(text.count == 1)
    #expect(text.first?.last == JSONCell("…"))
    #expect(text.first?.first.flatMap { Int($0.description) }.map { $0 < 4_096 } == true, "\(text)")
    let row = try Binary.run([
      "query", project.path,
      "select hex(zeroblob(7000000)), hex(zeroblob(7000000)) from sys.handlers limit 1",
    ])
    #expect(row.status == 2 && row.errors.contains("E0625"), "\(row.status): \(row.errors)")
    #expect(try send(project, "Deposit", #"{"account":"b","amount":1}"#).status == 0)
    let status = run.interrupt()
    let errors = try run.errors()
    #expect(status == 0, "\(errors)")
  }

  @Test func `a run ends on Ctrl-C though a sender keeps its connection and says nothing`() throws {
    let project = try project()
    let run = try start(project)
    let sender = Process()
    sender.executableURL = Binary.url
    sender.arguments = ["-C", project.path, "send", "-", "-o", "csv"]
    let (input, output) = (Pipe(), Pipe())
    sender.standardInput = input
    sender.standardOutput = output
    sender.standardError = FileHandle.nullDevice
    try sender.run()
    let line = #"{"id":"c-1","type":"Deposit","data":{"account":"a","amount":1}}"# + "\n"
    try input.fileHandleForWriting.write(contentsOf: Data(line.utf8))
    var answer = ""
    while !answer.contains("accepted") {
      let piece = output.fileHandleForReading.availableData
      try #require(!piece.isEmpty, "the sender ended with \(answer)")
      answer += String(decoding: piece, as: UTF8.self)
    }
    run.signal(SIGINT)
    try LiveRun.wait("the end of the run") { !run.process.isRunning }
    let status = run.status()
    let errors = try run.errors()
    #expect(status == 0, "\(errors)")
    try input.fileHandleForWriting.close()
    sender.waitUntilExit()
  }

  @Test func `the stream is named by what a field's name means, as the script reads it`() throws {
    let project = try project()
    let sent = try send(project, "Deposit", #"{"\u0061ccount":"second","account":"first","amount":1}"#)
    #expect(sent.status == 0 && sent.output.contains(",accounts,second,"), "\(sent)")
  }

  @Test func `who sends to a decider that cannot be opened hears why at once`() throws {
    let project = try project()
    try FileManager.default.createDirectory(
      at: project.folder.appending(path: ".moontide/snapshots/account.sqlite/x"),
      withIntermediateDirectories: true)
    let run = try LiveRun(["run", project.path])
    try run.waitForError("rm -r .moontide/snapshots")
    let begun = ContinuousClock.now
    let sent = try send(project, "Deposit", #"{"account":"a","amount":1}"#)
    #expect(sent.status == 2)
    #expect(sent.errors.contains("E0342") && sent.errors.contains("account.sqlite"), "\(sent.errors)")
    #expect(ContinuousClock.now - begun < .seconds(20))
    #expect(try project.query("select state from sys.handlers") == [[JSONCell("halted")]])
    #expect(run.interrupt() == 0)
    let once = try Binary.run(["run", project.path, "--once"])
    #expect(once.status == 2 && once.errors.contains("rm -r .moontide/snapshots"), "\(once.errors)")
  }

  @Test func `commands whose decider is gone are told of until one takes them`() throws {
    let project = try project()
    try project.write(
      "projection \"p\" { schema = \"create table t(id text primary key)\", on = { X = function() end } }",
      to: "handlers/p.lua")
    try project.write(
      (1...3).map { #"{"id":"c-\#($0)","type":"Deposit","data":{"account":"a","amount":1}}"# + "\n" }
        .joined(),
      to: "commands/all.jsonl")
    let told = "3 commands have no decider and wait: Deposit (3)"
    let early = try Binary.run(["run", project.path, "--once", "--only", "p"])
    #expect(early.status == 0 && !early.errors.contains("no decider"), "\(early.errors)")
    let script = project.folder.appending(path: "handlers/account.lua")
    try FileManager.default.removeItem(at: script)
    let without = try Binary.run(["run", project.path, "--once"])
    #expect(without.status == 0 && without.errors.contains(told), "\(without.errors)")
    #expect(try Binary.run(["doctor", project.path]).output.contains(told))
    try project.write(Self.account, to: "handlers/account.lua")
    let with = try Binary.run(["run", project.path, "--once"])
    #expect(with.status == 0 && with.errors.contains("3 accepted"), "\(with.errors)")
    try FileManager.default.removeItem(at: script)
    let after = try Binary.run(["run", project.path, "--once"])
    #expect(after.status == 0 && !after.errors.contains("no decider"), "\(after.errors)")
    #expect(try !Binary.run(["doctor", project.path]).output.contains("no decider"))
  }

  @Test func `a run waits a moment for a short command that holds the project`() throws {
    let project = try project()
    try project.runOnce()
    let lock = open(project.path + "/data/lock", O_RDWR | O_CLOEXEC)
    try #require(lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0)
    let run = try LiveRun(["run", project.path, "--once"])
    try run.waitForError("waits a moment")
    close(lock)
    let status = run.status()
    let errors = try run.errors()
    #expect(status == 0, "\(errors)")
  }
}

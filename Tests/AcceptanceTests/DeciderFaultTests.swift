import Foundation
import Testing

/// What goes wrong around a decision: streams that do not fold, decisions that nothing can hold, caches of
/// another history.
@Suite struct DeciderFaultTests {
  private static let box = """
    decider "box" {
      topic = "boxes", key = "box", snapshot_every = 1,
      initial = function() return { sum = 0 } end,
      decide = {
        Fill = function(command, state)
          return events.Filled { amount = command.data.amount, before = state.sum }
        end,
        Flood = function()
          local all, text = {}, ("x"):rep(1 << 20)
          for i = 1, 10 do all[i] = events.Filled { amount = i, text = text } end
          return all
        end,
        Explain = function() return reject("NO", ("\\xff"):rep(3 << 20)) end,
      },
      evolve = {
        Filled = function(state, event) state.sum = state.sum + event.data.amount; return state end,
        Spoilt = function(state, event) error("spoilt for ever") end,
      },
    }
    """

  private func project() throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.box, to: "handlers/box.lua")
    return project
  }

  private func fill(_ project: TestProject, _ box: String, _ amount: Int, _ more: [String] = []) throws
    -> Binary.Outcome
  {
    try Binary.run(
      ["send", "Fill", "-d", #"{"box":"\#(box)","amount":\#(amount)}"#, "-C", project.path] + more)
  }

  private func sum(_ project: TestProject, _ box: String) throws -> String {
    try Binary.succeed(["state", "box", box, "-C", project.path, "-o", "csv"])
  }

  private func copy(_ from: URL, _ to: URL) throws {
    if FileManager.default.fileExists(atPath: to.path) { try FileManager.default.removeItem(at: to) }
    try FileManager.default.copyItem(at: from, to: to)
  }

  @Test func `a stream that does not fold answers failed, and keeps nobody else waiting`() throws {
    let project = try project()
    try Binary.succeed(
      ["append", "Spoilt", "-d", "{}", "--topic", "boxes", "--key", "a", "-C", project.path])
    let failed = try fill(project, "a", 1, ["--id", "f-1"])
    #expect(failed.status == 1 && failed.errors.contains("spoilt for ever"), "\(failed.errors)")
    #expect(try fill(project, "a", 1, ["--id", "f-1"]).output == failed.output)
    try project.write(
      #"{"id":"c-1","type":"Fill","data":{"box":"a","amount":1}}"# + "\n"
        + #"{"id":"c-2","type":"Fill","data":{"box":"b","amount":2}}"# + "\n", to: "commands/c.jsonl")
    try project.runOnce()
    #expect(try sum(project, "b").contains(#"{""sum"":2}"#))
  }

  @Test func `a decision that no append can hold answers failed, and the next one is made`() throws {
    let project = try project()
    try project.write(
      #"{"id":"c-1","type":"Flood","data":{"box":"a"}}"# + "\n"
        + #"{"id":"c-2","type":"Explain","data":{"box":"a"}}"# + "\n"
        + #"{"id":"c-3","type":"Fill","data":{"box":"a","amount":7}}"# + "\n", to: "commands/c.jsonl")
    try project.runOnce()
    #expect(try sum(project, "a").contains(#"{""sum"":7}"#))
    let flood = try Binary.run(
      ["send", "Flood", "-d", #"{"box":"a"}"#, "--id", "c-9", "-o", "json", "-C", project.path])
    #expect(flood.status == 1, "\(flood.errors)")
    #expect(flood.output.contains("failed") && flood.output.utf8.count < 10_000)
    let rejected = try Binary.run(
      ["send", "Explain", "-d", #"{"box":"a"}"#, "--id", "c-8", "-o", "json", "-C", project.path])
    #expect(rejected.status == 1 && rejected.output.utf8.count < 20_000, "\(rejected.errors)")
  }

  @Test func `what was kept beside another history of the log is not believed`() throws {
    let project = try project()
    let data = project.folder.appending(path: "data")
    let saved = project.folder.appending(path: "saved")
    try Binary.succeed([
      "append", "Filled", "-d", #"{"amount":1}"#, "--topic", "boxes", "--key", "a", "-C", project.path,
    ])
    try copy(data, saved)
    #expect(try fill(project, "a", 100).status == 0)
    #expect(try fill(project, "b", 100).status == 0)
    try copy(saved, data)
    // The same version at the same position, and another event; and a command below where commands were
    // looked through.
    for amount in [3, 4] {
      try Binary.succeed([
        "append", "Filled", "-d", #"{"amount":\#(amount)}"#, "--topic", "boxes", "--key", "a", "-C",
        project.path,
      ])
    }
    try project.write(
      #"{"id":"late","type":"Fill","data":{"box":"a","amount":10}}"# + "\n", to: "commands/c.jsonl")
    try project.runOnce()
    #expect(try sum(project, "a").contains(#"{""sum"":18}"#))
    #expect(
      try project.query("select data ->> 'before' from sys.events order by position desc limit 1")
        == [[JSONCell("8")]])
  }

  @Test(arguments: [4_096, 8_192])
  func `snapshots that are damaged are made anew, and decisions go on`(offset: Int) throws {
    let project = try project()
    for box in 0..<40 { #expect(try fill(project, "box-\(box)", box).status == 0) }
    let file = project.folder.appending(path: ".moontide/snapshots/box.sqlite")
    let handle = try FileHandle(forWritingTo: file)
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: Data(repeating: 0xA5, count: 4_096))
    try handle.close()
    for box in 0..<40 {
      let answer = try fill(project, "box-\(box)", 1)
      #expect(answer.status == 0, "\(answer.errors)")
    }
    for box in [0, 17, 39] { #expect(try sum(project, "box-\(box)").contains(#"{""sum"":\#(box + 1)}"#)) }
  }
}

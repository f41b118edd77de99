import BorrowedFixtures
import Foundation
import Testing

/// The write side through the binary: `send`, `state`, files of commands, kills in between.
@Suite struct WriteSideTests {
  private static let account = """
    decider "account" {
      topic = "accounts", key = "account", snapshot_every = 5,
      initial = function() return { open = false, balance = 0 } end,
      decide = {
        Open = function(command, state)
          if state.open then return reject("OPEN", "it is open") end
          return events.Opened {}
        end,
        Deposit = function(command, state) return events.Deposited { amount = command.data.amount } end,
        Withdraw = function(command, state)
          if command.data.amount > state.balance then return reject("NO_FUNDS", "it holds " .. state.balance) end
          return events.Withdrawn { amount = command.data.amount }
        end,
        Nothing = function() return {} end,
        Twice = function() return { events.Deposited { amount = 1 }, events.Deposited { amount = 2 } } end,
        Broken = function(command, state) return events.Deposited { amount = command.data.no.where } end,
        Foreign = function() return events.Deposited({ amount = 1 }, { key = "somebody else" }) end,
        Silent = function() end,
      },
      evolve = {
        Opened = function(state) state.open = true; return state end,
        Deposited = function(state, event) state.balance = state.balance + event.data.amount; return state end,
        Withdrawn = function(state, event) state.balance = state.balance - event.data.amount; return state end,
      },
    }
    """

  private func project() throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.account, to: "handlers/account.lua")
    return project
  }

  @discardableResult
  private func send(
    _ project: TestProject, _ command: String, _ data: String, _ more: [String] = []
  ) throws -> (status: Int32, rows: [[String: Any]], errors: String) {
    let outcome = try Binary.run(
      ["-C", project.path, "send", command, "-d", data, "-o", "json"] + more)
    let rows =
      try outcome.output.isEmpty
      ? [] : JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]] ?? []
    return (outcome.status, rows, outcome.errors)
  }

  private func state(_ project: TestProject, _ more: [String] = []) throws -> [[String: Any]] {
    let text = try Binary.succeed(["-C", project.path, "state", "account", "a", "-o", "json"] + more)
    return try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] ?? []
  }

  @Test func `a command is accepted, rejected or failed, and only the accepted one changes the stream`()
    throws
  {
    let project = try project()
    let opened = try send(project, "Open", #"{"account":"a"}"#)
    #expect(opened.status == 0)
    #expect(opened.rows.first?["event"] as? String == "Opened")
    #expect(opened.rows.first?["version"] as? Int == 1)
    let again = try send(project, "Open", #"{"account":"a"}"#)
    #expect(again.status == 1)
    #expect(again.rows.first?["code"] as? String == "OPEN")
    #expect(try send(project, "Twice", #"{"account":"a"}"#).rows.count == 2)
    #expect(try send(project, "Nothing", #"{"account":"a"}"#).status == 0)
    for (command, text) in [
      ("Broken", "handlers/account.lua:16"), ("Foreign", "its own stream"), ("Silent", "returned nothing"),
    ] {
      let failed = try send(project, command, #"{"account":"a"}"#)
      #expect(failed.status == 1)
      #expect(failed.rows.first?["outcome"] as? String == "failed")
      let told = failed.rows.first?["text"] as? String ?? ""
      #expect(told.contains(text), "\(command): \(told)")
    }
    let now = try state(project)
    #expect(now.first?["version"] as? Int == 3)
    #expect(now.first?["state"] as? String == #"{"balance":3,"open":true}"#)
    #expect(
      try state(project, ["--version", "2"]).first?["state"] as? String == #"{"balance":1,"open":true}"#)
    #expect(
      try state(project, ["--history"]).map { $0["type"] as? String } == ["Opened", "Deposited", "Deposited"])
  }

  @Test func `a resend gets the first answer, and an id names one command`() throws {
    let project = try project()
    let first = try send(project, "Deposit", #"{"account":"a","amount":5}"#, ["--id", "c-1"])
    let second = try send(project, "Deposit", #"{ "account":"a", "amount":5 }"#, ["--id", "c-1"])
    #expect(second.status == 0)
    #expect(second.rows.first?["id"] as? String == first.rows.first?["id"] as? String)
    #expect(second.errors.contains("sent before"))
    let other = try send(project, "Deposit", #"{"account":"a","amount":6}"#, ["--id", "c-1"])
    #expect(other.status == 2)
    #expect(other.errors.contains("E0340"))
    let rejected = try send(project, "Withdraw", #"{"account":"a","amount":9}"#, ["--id", "c-2"])
    #expect(rejected.rows.first?["code"] as? String == "NO_FUNDS")
    try send(project, "Deposit", #"{"account":"a","amount":100}"#)
    // It would be accepted now; the answer stays.
    let resent = try send(project, "Withdraw", #"{"account":"a","amount":9}"#, ["--id", "c-2"])
    #expect(resent.status == 1)
    #expect(resent.rows.first?["code"] as? String == "NO_FUNDS")
  }

  @Test func `an expected version is held to, and explain shows the states`() throws {
    let project = try project()
    let first = try send(
      project, "Deposit", #"{"account":"a","amount":5}"#, ["--expect", "0", "--explain"])
    #expect(first.rows.first?["before"] as? String == nil || first.rows.first?["before"] is NSNull)
    #expect(first.rows.first?["after"] as? String == #"{"balance":5,"open":false}"#)
    let late = try send(project, "Deposit", #"{"account":"a","amount":5}"#, ["--expect", "0"])
    #expect(late.status == 1)
    #expect(late.rows.first?["code"] as? String == "VERSION_MISMATCH")
  }

  @Test func `what is no command is refused with its reason, and nothing is written`() throws {
    let project = try project()
    let unknown = try send(project, "Depositt", #"{"account":"a","amount":5}"#)
    #expect(unknown.status == 65)
    #expect(unknown.errors.contains("did you mean Deposit?"))
    let keyless = try send(project, "Deposit", #"{"amount":5}"#)
    #expect(keyless.status == 65)
    #expect(keyless.errors.contains("`account`"))
    #expect(try state(project).first?["version"] as? Int == 0)
  }

  @Test func `commands of files are decided once, in order, and bad ones are quarantined`() throws {
    let project = try project()
    var lines = ""
    for number in 1...300 {
      lines += #"{"id":"c-\#(number)","type":"Deposit","data":{"account":"a","amount":1}}"# + "\n"
    }
    lines += #"{"id":"c-7","type":"Deposit","data":{"account":"a","amount":1}}"# + "\n"
    lines += #"{"id":"c-x","type":"Depositt","data":{"account":"a","amount":1}}"# + "\n"
    lines += #"{"id":"c-301","type":"Withdraw","data":{"account":"a","amount":301}}"# + "\n"
    lines += #"{"id":"c-302","type":"Withdraw","data":{"account":"a","amount":300}}"# + "\n"
    try project.write(lines, to: "commands/all.jsonl")
    try project.runOnce()
    try project.runOnce()
    let now = try state(project)
    #expect(now.first?["version"] as? Int == 301)
    #expect(now.first?["state"] as? String == #"{"balance":0,"open":false}"#)
    let dead = try Binary.succeed(["dead", "ls", project.path, "-o", "csv"])
    #expect(dead.contains("E0223"))
    let handlers = try project.query("select kind, lag from sys.handlers")
    #expect(handlers == [[JSONCell("decider"), JSONCell("0")]])
  }
}

import Foundation
import Testing

/// The write side where it is used in ways that its author did not think of.
@Suite struct CommandEdgeTests {
  private static let stock = """
    decider "stock" {
      topic = "stock", key = "sku",
      initial = function() return { have = 0 } end,
      decide = {
        Receive = function(command, state) return events.StockReceived { n = command.data.n } end,
        Reserve = function(command, state)
          print("asked for", command.data.n)
          if command.data.n > state.have then return reject("OUT_OF_STOCK", "there are " .. state.have) end
          return events.StockReserved { n = command.data.n }
        end,
        Mix = function() return { events.StockReceived { n = 1 }, reject("NO", "no") } end,
        Flood = function()
          local all = {}
          for i = 1, 4000 do all[i] = events.StockReceived { n = i } end
          return all
        end,
        Forget = function() return events.StockForgotten {} end,
      },
      evolve = {
        StockReceived = function(state, event) state.have = state.have + event.data.n; return state end,
        StockReserved = function(state, event) state.have = state.have - event.data.n; return state end,
        StockForgotten = function(state, event) state.have = 0 end,
      },
    }
    """

  private func project() throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.stock, to: "handlers/stock.lua")
    return project
  }

  private func send(_ project: TestProject, _ command: String, _ data: String, _ more: [String] = []) throws
    -> Binary.Outcome
  { try Binary.run(["-C", project.path, "send", command, "-d", data] + more) }

  @Test func `a consumer may send the first command that a log has`() throws {
    let project = try project()
    try project.write(
      """
      consumer "buyer" {
        from = "start",
        on = { OrderPlaced = function(event, ctx) ctx.send(commands.Receive { sku = event.key, n = 3 }) end },
      }
      """, to: "handlers/buyer.lua")
    try project.write(
      #"{"id":"o-1","type":"OrderPlaced","key":"tea","data":{},"meta":{"correlationid":"web-7"}}"# + "\n",
      to: "events/a.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.status == 0)
    #expect(run.errors.contains("decider stock: 1 accepted"), "\(run.errors)")
    #expect(
      try project.query(
        "select outcome, version, json_extract(meta, '$.correlationid'), json_extract(meta, '$.causationid') "
          + "from sys.commands") == [["accepted", "1", "web-7", "o-1"].map { JSONCell($0) }])
    #expect(
      try project.query(
        "select json_extract(meta, '$.correlationid') from sys.events where type = 'StockReceived'")
        == [[JSONCell("web-7")]])
  }

  @Test func `a command of a file that contradicts an earlier one is set aside`() throws {
    let project = try project()
    try project.write(
      #"""
      {"id":"c-1","type":"Receive","data":{"sku":"tea","n":5}}
      {"id":"c-1","type":"Receive","data":{"sku":"tea","n":6}}
      {"id":"c-2","type":"Receive","data":{"sku":"tea","n":1}}

      """#, to: "commands/a.jsonl")
    try project.runOnce()
    try project.write(
      #"{"id":"c-2","type":"Receive","data":{"sku":"tea","n":2}}"# + "\n", to: "commands/b.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.errors.contains("1 quarantined line"), "\(run.errors)")
    #expect(
      try project.query("select place, code from sys.dead_letters order by place")
        == [["commands/a.jsonl:2", "E0210"], ["commands/b.jsonl:1", "E0210"]].map { $0.map { JSONCell($0) } })
    #expect(
      try project.query("select id, version from sys.commands order by position")
        == [["c-1", "1"], ["c-2", "2"]].map { $0.map { JSONCell($0) } })
    let dead = try Binary.succeed(["dead", "ls", project.path, "-o", "csv"])
    #expect(dead.contains("the command at #"), "\(dead)")
  }

  @Test func `sys-commands has every command with its outcome, and events none of them`() throws {
    let project = try project()
    _ = try send(project, "Receive", #"{"sku":"tea","n":5}"#, ["--id", "c-1"])
    _ = try send(project, "Reserve", #"{"sku":"tea","n":9}"#, ["--id", "c-2"])
    _ = try send(project, "Reserve", #"{"sku":"tea"}"#, ["--id", "c-3"])
    _ = try send(project, "Receive", #"{"sku":"cup","n":1}"#, ["--id", "c-4"])
    #expect(
      try project.query("select id, decider, topic, key, outcome, code, text, version from sys.commands")
        == [
          ["c-1", "stock", "stock", "tea", "accepted", "", "", "1"],
          ["c-2", "stock", "stock", "tea", "rejected", "OUT_OF_STOCK", "there are 5", "1"],
          [
            "c-3", "stock", "stock", "tea", "failed", "E0301",
            "attempt to compare number with nil (handlers/stock.lua:8)", "1",
          ],
          ["c-4", "stock", "stock", "cup", "accepted", "", "", "1"],
        ].map { $0.map { JSONCell($0) } })
    for (condition, ids) in [
      ("key = 'tea' and position > 0", ["c-2", "c-3"]), ("position = 0", ["c-1"]),
      ("position >= 5 and position < 7", ["c-3"]), ("outcome is null", []), ("key = 'none'", []),
    ] {
      #expect(
        try project.query("select id from sys.commands where \(condition)") == ids.map { [JSONCell($0)] },
        "\(condition)")
    }
    #expect(
      try project.query(
        "select json_extract(value, '$.type'), e.type from sys.commands, json_each(events) "
          + "join sys.events e on e.id = json_extract(value, '$.id') where sys.commands.id = 'c-4'")
        == [["StockReceived", "StockReceived"].map { JSONCell($0) }])
    let exported = try Binary.succeed(["events", "export", project.path])
    #expect(exported.split(separator: "\n").count == 2 && !exported.contains("c-2"), "\(exported)")
    // One that no decider has come to, for its script has gone.
    try project.write(
      #"{"id":"c-5","type":"Receive","data":{"sku":"tea","n":1}}"# + "\n", to: "commands/a.jsonl")
    try project.write(
      #"consumer "idle" { from = "now", on = { A = function() end } }"#, to: "handlers/idle.lua")
    _ = try Binary.succeed(["run", project.path, "--once", "--only", "idle"])
    #expect(
      try project.query("select id, decider, decided from sys.commands where outcome is null")
        == [["c-5", "stock", ""].map { JSONCell($0) }])
    let doctor = try Binary.succeed(["doctor", project.path, "-o", "csv"])
    #expect(doctor.contains("2 accepted, 1 rejected, 1 failed, 1 waiting"), "\(doctor)")
  }

  @Test func `lines from stdin each have an answer, whatever is wrong with others`() throws {
    let project = try project()
    let lines = [
      #"{"id":"c-1","type":"Receive","data":{"sku":"tea","n":5}}"#, "no command",
      #"{"id":"c-1","type":"Receive","data":{"sku":"tea","n":6}}"#, "",
      #"{"id":"c-2","type":"Reserve","data":{"sku":"tea","n":50}}"#,
      #"{"id":"c-3","type":"Recieve","data":{"sku":"tea","n":5}}"#,
      #"{"id":"c-4","type":"Receive","data":{"sku":"tea","n":1}}"#,
    ]
    let outcome = try Binary.run(
      ["-C", project.path, "send", "-", "-o", "csv"], input: lines.joined(separator: "\n"))
    #expect(outcome.status == 65)
    let rows = outcome.output.split(whereSeparator: \.isNewline).dropFirst().map {
      $0.split(separator: ",", omittingEmptySubsequences: false).prefix(2).joined(separator: " ")
    }
    #expect(
      rows == ["c-1 accepted", " refused", " refused", "c-2 rejected", " refused", "c-4 accepted"],
      "\(outcome.output)")
    for place in ["stdin:2", "stdin:3", "stdin:6"] {
      #expect(outcome.errors.contains(place), "\(place): \(outcome.errors)")
    }
  }

  @Test func `who decides tells what the script prints and where it fails`() throws {
    let project = try project()
    let asked = try send(project, "Reserve", #"{"sku":"tea","n":1}"#, ["--id", "c-1"])
    #expect(asked.errors.contains("stock Reserve c-1: asked for\t1"), "\(asked.errors)")
    let failed = try send(project, "Reserve", #"{"sku":"tea"}"#)
    #expect(failed.errors.contains("--> handlers/stock.lua:8"), "\(failed.errors)")
    for (command, place, text) in [
      ("Mix", "handlers/stock.lua:11", "not both"), ("Flood", "handlers/stock.lua:12", "at most 1000 events"),
      ("Forget", "handlers/stock.lua:22", "evolve returned nothing"),
    ] {
      let failed = try send(project, command, #"{"sku":"tea"}"#)
      #expect(failed.status == 1)
      #expect(failed.errors.contains(place) && failed.errors.contains(text), "\(failed.errors)")
    }
  }

  @Test func `a program gets the same names for every answer`() throws {
    let project = try project()
    func names(_ command: String) throws -> Set<String> {
      let text = try send(project, command, #"{"sku":"tea","n":1}"#, ["--json"]).output
      let rows = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]] ?? []
      return Set(rows.first?.keys.map { $0 } ?? [])
    }
    let rejected = try names("Reserve")
    #expect(rejected.isSuperset(of: ["outcome", "command", "code", "text", "token", "key"]), "\(rejected)")
    #expect(try names("Receive") == rejected)
    #expect(try names("Forget") == rejected)
  }

  @Test func `a key that says another stream than the data is refused`() throws {
    let project = try project()
    let other = try send(project, "Receive", #"{"sku":"tea","n":1}"#, ["--key", "cup"])
    #expect(other.status == 65)
    #expect(other.errors.contains("`key` says cup"), "\(other.errors)")
    #expect(try send(project, "Receive", #"{"sku":"tea","n":1}"#, ["--key", "tea"]).status == 0)
  }

  @Test func `an id that names another command is told with what differs`() throws {
    let project = try project()
    _ = try send(project, "Receive", #"{"sku":"tea","n":1}"#, ["--id", "c-1"])
    let later = try send(
      project, "Receive", #"{"sku":"tea","n":1}"#, ["--id", "c-1", "--time", "2026-03-01T08:00:00Z"])
    #expect(later.status == 2 && later.errors.contains("has another time"), "\(later.errors)")
    #expect(try send(project, "Receive", #"{"sku":"tea","n":1}"#, ["--id", "c-1"]).status == 0)
    let other = try send(project, "Reserve", #"{"sku":"cup","n":1}"#, ["--id", "c-1"])
    #expect(other.status == 2)
    #expect(
      other.errors.contains("it was Receive of tea first; this one has another type, key, data"),
      "\(other.errors)")
  }

  @Test func `a token is honoured where deciders have nothing to catch up with`() throws {
    let project = try project()
    try project.write(
      """
      decider "other" { topic = "other", decide = { Wait = function() return {} end },
        evolve = { Waited = function(state) return state end } }
      projection "levels" {
        schema = "create table levels(sku text primary key, n integer)",
        on = { StockReceived = function(event, db) db.levels:add(event.key, { n = event.data.n }) end },
      }
      """, to: "handlers/levels.lua")
    let sent = try send(project, "Receive", #"{"sku":"tea","n":4}"#, ["-o", "jsonl"]).output
    let token = sent.firstRange(of: /#[0-9]+/).map { String(sent[$0]) } ?? ""
    let early = try Binary.run(["query", project.path, "select n from levels", "--after", token])
    #expect(early.status == 2 && early.errors.contains("projection levels"), "\(early.errors)")
    _ = try Binary.succeed(["run", project.path, "--once", "--only", "levels"])
    #expect(try project.query("select n from levels", ["--after", token]) == [[JSONCell("4")]])
  }
}

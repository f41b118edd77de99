import BorrowedFixtures
import Foundation
import Testing

/// `check` reports everything at once.
@Suite struct CheckTests {
  @Test func `all problems of a project are told in one go, each with place, excerpt and help`() throws {
    let project = try TestProject()
    try project.write(
      """
      projection "orders" {
        schema = [[
          create table orders(id text primary key, status text);
          create index by_customer on orders(customer);
        ]],
        onn = { OrderPlaced = function(event, db) end },
      }
      """, to: "handlers/a.lua")
    try project.write(
      "projection \"broken\" {\n  on = { A = function(event db) end },\n}\n", to: "handlers/b.lua")
    try project.write(
      """
      projection "revenue" {
        schema = [[ create tabel revenue(day text primary key); ]],
        on = { A = function(event, db) end },
      }
      consumer "mail" { on = { A = function(event, ctx) end } }
      """, to: "handlers/c.lua")
    try project.write("consumer \"mail\" { on = { A = function(event, ctx) end } }\n", to: "handlers/d.lua")
    let outcome = try Binary.run(["check", project.path, "--error-format", "json"])
    #expect(outcome.status == 2)
    let problems = try outcome.errors.split(separator: "\n").filter { $0.hasPrefix("{") }.map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
    let places = problems.map { "\($0["file"] ?? ""):\($0["line"] ?? "") \($0["code"] ?? "")" }
    #expect(
      places == [
        "handlers/a.lua:4 E0118", "handlers/a.lua:6 E0110", "handlers/b.lua:2 E0101",
        "handlers/c.lua:2 E0118", "handlers/d.lua:1 E0115",
      ])
    for problem in problems {
      let labels = try #require(problem["details"] as? [[String: String]]).compactMap { $0["label"] }
      #expect(labels.contains("help"), "\(problem)")
      #expect(problem["excerpt"] is String && problem["column"] is Int, "\(problem)")
    }
  }

  @Test func `check tells of an upcaster that makes what its text hides, though nobody handles its events`()
    throws
  {
    let project = try TestProject()
    // The steps that are read are not those that are defined.
    try project.write(
      """
      local function define(kind, name) return kind(name) end
      if false then upcaster "A" { [1] = function(data) return data end } end
      local step = { [1] = function(data) return rename("B", data) end }
      define(upcaster, "A")(step)
      consumer "c" { from = "start", on = { B = function() end } }
      """, to: "handlers/a.lua")
    try project.write("{\"id\":\"1\",\"type\":\"A\",\"data\":{}}\n", to: "events/e.jsonl")
    try project.runOnce()
    let outcome = try Binary.run(["check", project.path])
    #expect(
      outcome.errors.contains("E0147") && outcome.errors.contains("made B of version 1"), "\(outcome.errors)")
  }

  @Test func `check tells of versions that nothing leads from, and leaves a sound project alone`() throws {
    let project = try TestProject()
    try project.write(
      """
      upcaster "OrderPlaced" { [2] = function(data) data.cents = data.total * 100 return data end }
      projection "p" { schema = [[create table t(id text primary key, cents integer)]],
        on = { OrderPlaced = function(event, db)
          db.t:put { id = event.key, cents = event.data.cents }
        end } }
      """, to: "handlers/a.lua")
    let lines = (0..<30).map {
      "{\"id\":\"e\($0)\",\"type\":\"OrderPlaced\",\"version\":2,\"data\":{\"total\":\($0)}}"
    }
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/a.jsonl")
    try project.runOnce()
    let sound = try Binary.run(["check", project.path])
    #expect(sound.status == 0 && !sound.errors.contains("warning"), "\(sound.errors)")
    #expect(sound.errors.contains("ok: 1 projection, 1 upcaster"))
    let old = (0..<1_203).map { "{\"id\":\"o\($0)\",\"type\":\"OrderPlaced\",\"data\":{\"total\":\($0)}}" }
    try project.write(old.joined(separator: "\n") + "\n", to: "events/b.jsonl")
    try project.runOnce()
    let gap = try Binary.run(["check", project.path])
    #expect(gap.status == 0, "\(gap.errors)")
    #expect(
      gap.errors.contains(
        "1,203 stored events of OrderPlaced are version 1, nothing leads from 1 to 2"), "\(gap.errors)")
  }

  @Test(.needsBorrowedFixtures, arguments: ["orders", "retail", "timeline"])
  func `check finds nothing to say about sound projects over real events`(name: String) throws {
    let project = try TestProject()
    try project.useHandlers(of: name)
    try project.useEvents(of: name == "timeline" ? "flights-jan" : name)
    try project.runOnce()
    // What it has no time for, on a machine that is busy, the next one does: after a few all is read.
    var outcome = try Binary.run(["check", project.path])
    for _ in 0..<20 where outcome.errors.contains("E0504") {
      outcome = try Binary.run(["check", project.path])
    }
    #expect(outcome.status == 0 && outcome.errors.split(separator: "\n").count == 1, "\(outcome.errors)")
  }
}

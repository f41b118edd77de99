import BorrowedFixtures
import Foundation
import Testing

/// Upcasters through the binary: real events of four products, and what commands show of it.
@Suite(.serialized, .needsBorrowedFixtures) struct UpcastingTests {
  private static let products = ["ghes-34", "ghes-35", "github.ae", "api.github.com"]

  /// The webhooks with the version of their product: 1 to 4.
  private func versioned() throws -> [String] {
    try Gzip.text(try BorrowedFixtures.events("webhooks")).split(separator: "\n").map { line in
      let product = try #require(
        Self.products.firstIndex { line.hasPrefix("{\"id\":\"\($0)/") }, "a product in \(line.prefix(40))")
      let marked = line.replacing("\"version\":1,", with: "\"version\":\(product + 1),", maxReplacements: 1)
      #expect(product == 0 || marked != line)
      return String(marked)
    }
  }

  private struct Hook {
    var id: String
    var type: String
    var title: String
    /// Names and kinds at the top of its data.
    var shape: Set<String>
  }

  /// The issues and pull requests that occur under more than one product.
  private func hooks(_ lines: [String]) throws -> [Hook] {
    let all = try lines.compactMap { line -> Hook? in
      let event = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
      guard let id = event["id"] as? String, let type = event["type"] as? String,
        type.hasPrefix("Issues") || type.hasPrefix("PullRequest"),
        let data = event["data"] as? [String: Any]
      else { return nil }
      let subject = (data["issue"] ?? data["pull_request"]) as? [String: Any]
      return Hook(
        id: id, type: type, title: subject?["title"] as? String ?? "",
        shape: Set(data.map { "\($0.key) \(Swift.type(of: $0.value))" }))
    }
    let shared = Dictionary(grouping: all, by: \.type).filter { _, hooks in
      Set(hooks.map { $0.id.split(separator: "/")[0] }).count > 1
    }
    return shared.values.flatMap(\.self)
  }

  @Test func `issues and pull requests of four products come in one shape`() throws {
    let lines = try versioned()
    let hooks = try hooks(lines)
    let types = Set(hooks.map(\.type))
    #expect(types.count == 16, "\(types.sorted())")
    for type in types {
      let shapes = Set(hooks.filter { $0.type == type }.map(\.shape))
      #expect(shapes.count > 1, "\(type) has one shape already: nothing would be proven")
    }
    let project = try TestProject()
    try project.useHandlers(of: "webhooks")
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/webhooks.jsonl")
    try project.runOnce(["--fail-on-dead"])
    // Every one of them was seen, under every product, in version 5, with what it said.
    let seen = try project.query("select event, type, version, title from seen order by event")
    let wanted = hooks.sorted { $0.id < $1.id }.map { [$0.id, $0.type, "5", $0.title] }
    #expect(seen.map { $0.map(\.description) } == wanted)
    #expect(
      try project.query("select type from seen group by type having count(distinct product) = 4").count == 16)
    // One set of fields for each type, each field of one kind, in every event.
    let differing = """
      select type, path, count(*), group_concat(distinct kind) from fields group by type, path
      having count(distinct kind) > 1 or count(*) <> (select count(*) from seen where seen.type = fields.type)
      """
    #expect(try project.query(differing) == [])
    let differingParts = "select type, path from parts group by type, path having count(distinct kind) > 1"
    #expect(try project.query(differingParts) == [])
    #expect(try project.query("select count(*) from fields where kind = 'null'") == [[JSONCell("0")]])
    let sizes = try project.query(
      "select min(n), max(n) from (select count(*) as n from fields group by event)")
    #expect(Int(sizes[0][0].description).map { $0 > 30 } == true, "\(sizes)")
    // What only one product says is not lost, and what is stored has not changed.
    #expect(
      try project.query("select distinct product from seen where enterprise <> '' order by 1").count == 3)
    let exported = try Binary.succeed(["events", "export", project.path, "--no-recorded"])
    #expect(exported == lines.joined(separator: "\n") + "\n")
    // The same by a rebuild, byte for byte.
    try Binary.succeed(["projection", "verify", project.path, "shapes", "-q"])
  }

  @Test func `a field of the version that a handler wants is not called never there`() throws {
    let project = try TestProject()
    try project.write(
      """
      projection "p" { wants = { A = 1 }, schema = [[create table t(id text primary key, note text)]],
        on = { A = function(event, db)
          db.t:put { id = event.id, note = event.data.note or event.data.nothing or "none" } end } }
      upcaster "A" { [1] = function(data) data.comment = data.note data.note = nil return data end,
        down = { [2] = function(data) data.note = data.comment data.comment = nil return data end } }
      """, to: "handlers/h.lua")
    try project.write(
      """
      {"id":"1","type":"A","data":{"x":1,"note":"hi"}}
      {"id":"2","type":"A","data":{"x":1}}

      """, to: "events/e.jsonl")
    let outcome = try Binary.run(["run", project.path, "--once"])
    #expect(outcome.errors.contains("`nothing`") && !outcome.errors.contains("`note`"), "\(outcome.errors)")
  }

  @Test func `state by the stored key loses nothing when lanes work side by side`() throws {
    let project = try TestProject()
    try project.write(
      """
      upcaster "A" { [1] = function(data) return split { events.B(data, { key = "total" }) } end }
      consumer "c" { from = "start", lanes = 8, on = { B = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit(events.Counted({ n = ctx.state.n }, { topic = "out" })) end } }
      """, to: "handlers/h.lua")
    let lines = (0..<600).map { "{\"id\":\"\($0)\",\"type\":\"A\",\"key\":\"k\($0 % 100)\",\"data\":{}}" }
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/e.jsonl")
    try project.runOnce()
    let counts = try project.query(
      """
      select json_extract(data, '$.n') n, count(*) from sys.events where type = 'Counted' group by 1 order by 1
      """)
    #expect(counts == (1...6).map { [JSONCell("\($0)"), JSONCell("100")] }, "\(counts)")
  }

  @Test func `show tells what is stored, and what handlers see of it`() throws {
    let project = try TestProject()
    try project.write(
      """
      upcaster "Old" { [1] = function(data) return split { events.New { n = data.n }, events.Other {} } end }
      upcaster "Gone" { [1] = function() return drop() end }
      upcaster "Bad" { [1] = function(data) data.x = 1 end }
      projection "p" { schema = [[create table t(id text primary key, n integer)]],
        on = { New = function(event, db) if event.data.n == 2 then error("no") end
          db.t:put { id = event.id, n = event.data.n } end } }
      """, to: "handlers/h.lua")
    try project.write(
      """
      {"id":"a","type":"Old","key":"k","time":"2020-01-01T00:00:00Z","data":{"n":1}}
      {"id":"b","type":"Old","key":"k","time":"2020-01-01T00:00:00Z","data":{"n":2}}
      {"id":"c","type":"Gone","data":{}}
      {"id":"d","type":"New","data":{"n":3}}
      {"id":"e","type":"Bad","data":{}}

      """, to: "events/e.jsonl")
    try project.runOnce()
    #expect(
      try project.query("select id, n from t order by 1").map { $0.map(\.description) } == [
        ["a~1", "1"], ["d", "3"],
      ])
    func show(_ arguments: [String]) throws -> [String: Any] {
      let text = try Binary.succeed(arguments + ["--json"])
      let rows = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [[String: Any]])
      return try #require(rows.first)
    }
    let split = try show(["events", "show", project.path, "a"])
    #expect(split["data"] as? String == #"{"n":1}"# && split["type"] as? String == "Old")
    #expect(
      split["seen"] as? String
        == #"[{"id":"a~1","type":"New","version":1,"key":"k","time":"2020-01-01T00:00:00Z","data":{"n":1}},"#
        + #"{"id":"a~2","type":"Other","version":1,"key":"k","time":"2020-01-01T00:00:00Z","data":{}}]"#)
    #expect(try show(["events", "show", project.path, "c"])["seen"] as? String == "[]")
    #expect(try show(["events", "show", project.path, "d"])["seen"] is NSNull)
    let bad = try Binary.run(["events", "show", project.path, "e"])
    #expect(bad.status == 0 && bad.errors.contains("upcaster Bad [1] returned nothing"), "\(bad.errors)")
    // A dead letter is of the stored event; what its handler sees is beside it.
    let letter = try show(["dead", "show", project.path, "d-1"])
    #expect(letter["type"] as? String == "Old" && letter["event_id"] as? String == "b")
    let seen =
      #"[{"id":"b~1","type":"New","version":1,"key":"k","time":"2020-01-01T00:00:00Z","data":{"n":2}}]"#
    #expect(letter["seen"] as? String == seen)
  }
}

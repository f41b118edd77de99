import Foundation
import Testing

/// What `why` says of single rows.
@Suite(.serialized) struct WhyCommandTests {
  private func lines(_ events: [(id: String, type: String, key: String, data: String)]) -> String {
    events.map { #"{"id":"\#($0.id)","type":"\#($0.type)","key":"\#($0.key)","data":\#($0.data)}"# + "\n" }
      .joined()
  }

  private static let handlers = """
    projection "shop" {
      schema = [[
        create table orders(id text primary key, status text);
        create table lines(id text, n integer, what text, primary key(id, n));
        create table journal(text text);
        create virtual table found using fts5(id unindexed, words);
      ]],
      on = {
        Placed = function(event, db)
          db.orders:put { id = event.key, status = "placed" }
          for n, what in ipairs(event.data.lines or {}) do
            db.lines:put { id = event.key, n = n, what = what }
          end
          db.journal:put { text = event.key }
          db.found:put { id = event.key, words = event.type }
        end,
        Renamed = function(event, db)
          db.orders:update(event.key, { id = event.data.to })
        end,
        Cancelled = function(event, db)
          db.orders:delete(event.key)
          db:exec("update found set words = words || ' gone' where id = ?", event.key)
        end,
        Touched = function(event, db) db.orders:update(event.key, { status = "placed" }) end,
      },
    }
    """

  private func shop() throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.handlers, to: "handlers/shop.lua")
    try project.write(
      lines([
        ("e-0", "Placed", "a", #"{"lines":["hat","shoe"]}"#), ("e-1", "Placed", "b", "{}"),
        ("e-2", "Renamed", "a", #"{"to":"c"}"#), ("e-3", "Touched", "c", "{}"),
        ("e-4", "Cancelled", "b", "{}"), ("e-5", "Placed", "a", "{}"),
      ]), to: "events/e.jsonl")
    try project.runOnce()
    return project
  }

  private func why(_ project: TestProject, _ words: String...) throws -> Binary.Outcome {
    try Binary.run(["why", "-C", project.path] + words)
  }

  @Test func `a row is followed through its keys, its deletion and its return`() throws {
    let project = try shop()
    let moved = try why(project, "orders", "c").output
    #expect(moved.contains("3 events wrote it"), "\(moved)")
    #expect(moved.contains("insert at handlers/shop.lua:10"))
    #expect(moved.contains("id  'a' → 'c'"))
    #expect(moved.contains("(no column changed)"))
    #expect(moved.contains("it is now  id 'c', status 'placed'"))
    let deleted = try why(project, "shop.orders", "b").output
    #expect(deleted.contains("there is no such row now: #4 deleted it"), "\(deleted)")
    #expect(deleted.contains("status  'placed' →"))
    let again = try why(project, "orders", "a").output
    #expect(again.contains("3 events wrote it") && again.contains("it is now  id 'a'"), "\(again)")
    let past = try why(project, "orders", "a", "--as-known", "#3").output
    #expect(past.contains("there is no such row now: #2 gave it the key 'c'"), "\(past)")
  }

  @Test func `composite keys, tables without a key and full-text tables are asked by what names their rows`()
    throws
  {
    let project = try shop()
    #expect(try why(project, "lines", "a", "2").output.contains("what  → 'shoe'"))
    #expect(try why(project, "lines", #"["a", 1]"#).output.contains("what  → 'hat'"))
    #expect(try why(project, "journal", "2").output.contains("text  → 'b'"))
    let found = try why(project, "found", "b").output
    #expect(found.contains("words  'Placed' → 'Placed gone'"), "\(found)")
    #expect(found.contains("update at handlers/shop.lua:22"))
    let never = try why(project, "orders", "zzz")
    #expect(never.status == 1 && never.output.contains("no event ever wrote such a row"))
    let wrong = try why(project, "lines", "a")
    #expect(wrong.status == 2 && wrong.errors.contains("a row of lines is named by id, n, got 1 value"))
    #expect(try why(project, "ordres", "a").errors.contains("did you mean orders?"))
  }

  @Test func `a table of two read models is asked by both names`() throws {
    let project = try shop()
    try project.write(
      Self.handlers.replacing(#""shop""#, with: #""second""#), to: "handlers/second.lua")
    try project.runOnce()
    let both = try why(project, "orders", "a")
    #expect(both.status == 2)
    #expect(both.errors.contains("say which: second.orders or shop.orders"), "\(both.errors)")
    #expect(try why(project, "second.orders", "a").output.contains("of second: 3 events"))
  }

  @Test func `corrections, upcasters, events that were set aside and edited scripts are told`() throws {
    let project = try TestProject()
    let script = """
      upcaster "Placed" { [1] = function(data) data.n = (data.m or 0) + 1; return data end }
      projection "shop" {
        schema = [[ create table orders(id text primary key, n integer); ]],
        on = { Placed = function(event, db)
          if event.data.n > 90 then error("too many") end
          db.orders:put { id = event.key, n = event.data.n }
        end },
      }
      """
    try project.write(script, to: "handlers/shop.lua")
    try project.write(
      lines([("e-0", "Placed", "a", #"{"m":1}"#), ("e-1", "Placed", "a", #"{"m":99}"#)]),
      to: "events/e.jsonl")
    try project.runOnce()
    let first = try why(project, "orders", "a")
    #expect(first.output.contains("Placed (v1, read as Placed v2)"), "\(first.output)")
    #expect(first.errors.contains("shop is degraded since #1: 1 event set aside"), "\(first.errors)")
    try Binary.succeed(["dead", "edit", "-C", project.path, "d-1@shop", "-d", #"{"m":5}"#])
    try project.runOnce()
    let mended = try why(project, "orders", "a", "-v")
    #expect(mended.output.contains("as a person corrected it"), "\(mended.output) \(mended.errors)")
    #expect(mended.output.contains("n  2 → 6") && mended.output.contains(#"event data  {"m":5"#))
    try project.write(script.replacing("+ 1", with: "+ 2"), to: "handlers/shop.lua")
    let edited = try why(project, "orders", "a")
    #expect(edited.errors.contains("handlers/shop.lua was edited since the read model was folded"))
    #expect(edited.output.contains("n  3 → 7"), "\(edited.output)")
  }

  @Test func `what a killed question leaves is removed by the next one, and a run beside is no hindrance`()
    throws
  {
    let project = try shop()
    let trace = project.folder.appending(path: ".moontide/trace")
    _ = try why(project, "orders", "a")
    for name in ["work-1.lock", "work-1.sqlite", "work-1.sqlite-journal"] {
      try project.write("left", to: ".moontide/trace/\(name)")
    }
    let run = try Binary.start(["run", project.path, "-q"])
    defer {
      run.terminate()
      run.waitUntilExit()
    }
    #expect(try why(project, "orders", "a").status == 0)
    #expect(try FileManager.default.contentsOfDirectory(atPath: trace.path) == ["gate"])
  }

  @Test func `events that wrote what was read for a row are named, and no others`() throws {
    let project = try TestProject()
    let script = """
      projection "shop" {
        schema = [[
          create table prices(what text primary key, cents integer);
          create table lines(id text, n integer, what text, primary key(id, n));
          create table bills(id text primary key, cents integer);
          create table top(one integer primary key, cents integer);
        ]],
        on = {
          Priced = function(event, db) db.prices:put { what = event.key, cents = event.data.cents } end,
          Ordered = function(event, db)
            db.lines:put { id = event.key, n = event.data.n, what = event.data.what }
          end,
          Billed = function(event, db)
            local sum = 0
            for line in db.lines:each { id = event.key } do sum = sum + db.prices:get(line.what).cents end
            db.bills:put { id = event.key, cents = sum }
          end,
          Counted = function(event, db)
            db.top:put { one = 1, cents = db:query("select max(cents) as most from bills")[1].most }
          end,
        },
      }
      """
    let all: [(id: String, type: String, key: String, data: String)] = [
      ("e-0", "Priced", "hat", #"{"cents":5}"#), ("e-1", "Priced", "shoe", #"{"cents":7}"#),
      ("e-2", "Priced", "coat", #"{"cents":90}"#), ("e-3", "Ordered", "a", #"{"n":1,"what":"hat"}"#),
      ("e-4", "Ordered", "a", #"{"n":2,"what":"shoe"}"#), ("e-5", "Ordered", "b", #"{"n":1,"what":"coat"}"#),
      ("e-6", "Billed", "a", "{}"), ("e-7", "Priced", "hat", #"{"cents":6}"#), ("e-8", "Counted", "x", "{}"),
    ]
    try project.write(script, to: "handlers/shop.lua")
    try project.write(lines(all), to: "events/e.jsonl")
    try project.runOnce()
    let told = try why(project, "bills", "a").output
    #expect(told.contains("what they read in other rows was written by 4 other events:"), "\(told)")
    for (table, key, ids) in [
      ("bills", "a", [0, 1, 3, 4, 6]), ("top", "1", [0, 1, 3, 4, 6, 8]), ("prices", "hat", [0, 7]),
    ] {
      let rows = try JSONSerialization.jsonObject(
        with: Data(try why(project, table, key, "--json").output.utf8))
      let named = Set((try #require(rows as? [[String: Any]])).compactMap { $0["id"] as? String })
      #expect(named == Set(ids.map { "e-\($0)" }), "\(table)")
      let part = try TestProject()
      try part.write(script, to: "handlers/shop.lua")
      try part.write(lines(ids.map { all[$0] }), to: "events/e.jsonl")
      try part.runOnce()
      let sql =
        "select * from \(table) where \(table == "top" ? "one" : table == "bills" ? "id" : "what") = '\(key)'"
      #expect(try part.query(sql) == project.query(sql))
    }
  }
}

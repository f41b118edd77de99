import MoontideCore
import Testing

@testable import MoontideRuntime

struct CatalogTests {
  /// The diagnostics of one file, as `code line:column title · help`.
  private func problems(_ text: String) -> [String] {
    TestProject.load(["handlers/a.lua": text]).diagnostics.map { diagnostic in
      let help = diagnostic.details.first { $0.label == "help" }.map { " · \($0.text)" } ?? ""
      let column = diagnostic.place?.column.map { "\($0)" } ?? "-"
      return "\(diagnostic.code) \(diagnostic.place?.line ?? 0):\(column) \(diagnostic.title)\(help)"
    }
  }

  @Test func `a sound project has its definitions and no diagnostics`() throws {
    let catalog = TestProject.load(
      [
        "handlers/a.lua": """
        local money = require "lib.money"
        projection "orders" {
          schema = [[create table orders(id text primary key, n integer);]],
          on = { OrderPlaced = function(event, db) db.orders:put { id = event.key, n = money.one } end },
        }
        """,
        "handlers/b.lua": """
        consumer "mail" { on = { ["Order*"] = function(event, ctx) end }, lanes = 3, topics = { "events" },
          retry = { attempts = 2, backoff = "1s", factor = 1.5, max = "5m" }, exhausted = "skip",
          from = "2026-11-17", was = "post" }
        """,
        "handlers/c.lua": """
        upcaster "OrderPlaced" { [1] = function(data) return data end, [2] = function(data) return data end,
          down = { [2] = function(data) return data end } }
        """,
      ], modules: ["lib.money": "return { one = 1 }"])
    #expect(catalog.diagnostics == [])
    #expect(catalog.definitions.map(\.name) == ["orders", "mail"])
    #expect(catalog.definition("orders")?.tables.map(\.name) == ["orders"])
    let mail = try #require(catalog.definition("mail"))
    #expect(mail.lanes == 3 && mail.exhausted == .skip && mail.topics == [.events] && mail.was == "post")
    #expect(mail.retry == RetryPolicy(attempts: 2, backoff: .seconds(1), factor: 1.5, max: .seconds(300)))
    #expect(mail.start == .time(try #require(EventTime("2026-11-17T00:00:00Z"))))
    #expect(catalog.newestVersion(ofType: "OrderPlaced") == 3)
    #expect(catalog.newestVersion(ofType: "Other") == 1)
  }

  @Test func `a typo in a key is shown where it is, with what was meant`() {
    #expect(
      problems("consumer \"c\" {\n  onn = { A = function() end },\n}")
        == ["E0110 2:3 consumer \"c\": unknown key `onn` · did you mean `on`?"],
      "the misspelt key is not reported a second time as missing")
    #expect(problems("consumer \"c\" { }").first?.hasPrefix("E0113 1:10 consumer \"c\" needs `on`") == true)
    #expect(
      problems("consumer \"c\" { on = { A = function() end },\n  retry = { atempts = 3 } }")
        == ["E0110 2:13 consumer \"c\", retry: unknown key `atempts` · did you mean `attempts`?"])
    #expect(
      problems("projection \"p\" { schema = '', on = { A = function() end }, lanes = 2 }").first?
        .contains("`lanes` is for consumers") == true)
  }

  @Test func `values of a wrong kind or out of range are shown at the value`() {
    let found = problems(
      """
      consumer "c" {
        on = { A = 5 },
        lanes = 65,
        topics = { "_own" },
        retry = { attempts = "3", backoff = "2 seconds", factor = 0 },
        exhausted = "prak",
        from = "nwo",
      }
      """)
    let places = found.map { $0.split(separator: " ").prefix(2).joined(separator: " ") }
    let wanted = [
      "E0111 2:14", "E0112 3:11", "E0112 4:14", "E0111 5:24", "E0112 5:39", "E0112 5:61", "E0112 6:15",
      "E0112 7:10",
    ]
    #expect(places == wanted)
    #expect(found.contains { $0.hasSuffix("did you mean \"park\"?") })
    #expect(found.contains { $0.hasSuffix("did you mean \"now\"?") })
  }

  @Test func `names, gaps, empty bodies and later kinds are refused`() {
    #expect(
      problems("projection \"temp\" { schema = '', on = { A = function() end } }")[0].hasPrefix("E0114 1:12"))
    #expect(problems("consumer \"Big\" { on = { A = function() end } }")[0].hasPrefix("E0114 1:10"))
    #expect(problems("consumer \"c\" { on = {} }")[0].hasPrefix("E0113 1:16"))
    #expect(problems("upcaster \"A\" { [1] = function() end, [3] = function() end }")[0].hasPrefix("E0117"))
    #expect(problems("projection \"p\" { on = { A = function() end } }")[0].hasPrefix("E0113"))
    #expect(problems("consumer \"c\" { on = { [\"*A\"] = function() end } }")[0].hasPrefix("E0112"))
    #expect(problems("decider \"d\" { }").first?.hasPrefix("E0113") == true)
    #expect(problems("saga \"s\" { }").first?.hasPrefix("E0113") == true)
  }

  @Test func `what a decider cannot have is told with what it has instead`() {
    let start = "decider \"d\" { decide = { A = function() end }, evolve = { B = function() end }, "
    for (key, text) in [
      ("init = 1", "did you mean `initial`?"), ("snapshot = 1", "did you mean `snapshot_every`?"),
      ("on = {}", "`decide` for commands"), ("topics = {}", "writes to one `topic`"),
      ("wants = {}", "evolves by the newest versions"), ("from = \"now\"", "the fold of all events"),
      ("retry = {}", "a command has one answer"), ("exhausted = \"skip\"", "answers `failed`"),
      ("initial = {}", "is a function, not a table"), ("topic = \"_own\"", "does not begin with _"),
    ] {
      let found = problems(start + key + " }")
      #expect(found.count == 1 && found[0].contains(text), "\(key): \(found)")
    }
    #expect(
      problems("decider \"d\" { decide = { A = function() end }, evolve = {} }")
        .first?.hasPrefix("E0113 1:48 decider \"d\": `evolve` has no function: it needs one") == true)
  }

  @Test func `one broken file hides nothing of the others`() {
    let catalog = TestProject.load([
      "handlers/a.lua": "consumer \"c\" {\n  on = { A = function( end }\n}",
      "handlers/b.lua": "consumer \"c\" { onn = {} }",
      "handlers/c.lua": "consumer \"ok\" { on = { A = function() end } }",
      "handlers/d.lua": "consumer \"ok\" { on = { A = function() end } }",
      "handlers/e.lua": "local x = nil\nprojection(x.name) {}",
      "handlers/f.lua": """
      projection "p" {
        schema = [[
          create table t(a text primary key);
          create table u(a text primary kye);
        ]], on = { A = function() end } }
      """,
    ])
    let found = catalog.diagnostics.map { "\($0.code) \($0.place?.file ?? ""):\($0.place?.line ?? 0)" }
    #expect(
      found == [
        "E0101 handlers/a.lua:2", "E0110 handlers/b.lua:1", "E0115 handlers/d.lua:1",
        "E0102 handlers/e.lua:2", "E0118 handlers/f.lua:4",
      ])
    #expect(catalog.definitions.map(\.name) == ["ok"])
    let twice = catalog.diagnostics.first { $0.code == "E0115" }
    #expect(twice?.title.contains("handlers/c.lua:1 and handlers/d.lua:1") == true)
    for diagnostic in catalog.diagnostics { #expect(diagnostic.place?.excerpt != nil, "\(diagnostic.title)") }
    let schema = catalog.diagnostics.first { $0.code == "E0118" }
    #expect(schema?.place?.excerpt == "    create table u(a text primary kye);")
  }

  @Test func `an upcaster of a type that a handler matches is part of its version`() throws {
    func versions(_ upcaster: String) throws -> [Digest] {
      let catalog = TestProject.load([
        "a.lua": "consumer \"a\" { on = { A = function() end } }",
        "b.lua": "consumer \"b\" { on = { B = function() end } }",
        "u.lua": upcaster,
      ])
      return try ["a", "b"].map { try #require(catalog.definition($0)).version }
    }
    let one = try versions("upcaster \"A\" { [1] = function(data) return data end }")
    let same = try versions("-- comment\nupcaster \"A\" {\n[1] = function(data) return data end }")
    let other = try versions("upcaster \"A\" { [1] = function(data) data.x = 1 return data end }")
    #expect(one == same && one[0] != other[0] && one[1] == other[1])
  }

  @Test func `every code has a text of its own`() {
    var titles: Set<String> = []
    for code in RuntimeCode.allCases {
      #expect(titles.insert(code.title).inserted, "\(code)")
      #expect(!code.meaning.isEmpty && !code.mend.isEmpty)
    }
  }
}

import MoontideCore
import MoontideLua
import Testing

@testable import MoontideRuntime

/// What the texts of upcasters say of them, and what `check` makes of it.
struct UpcastFlowTests {
  private func catalog(_ upcasters: String, modules: [String: String] = [:]) -> ProjectCatalog {
    TestProject.load(["handlers/u.lua": upcasters], modules: modules)
  }

  private func shape(_ upcaster: String, modules: [String: String] = [:]) throws -> StepShape {
    let catalog = catalog(upcaster, modules: modules)
    return try #require(catalog.upcasters["A"]?.shapes.first, "\(catalog.diagnostics)")
  }

  /// Codes with lines and titles.
  private func problems(_ scripts: [String: String]) -> [String] {
    TestProject.load(scripts).diagnostics.map { "\($0.code) \($0.place?.line ?? 0) \($0.title)" }
  }

  @Test func `a step that returns data alone has no shape`() throws {
    for body in [
      "return data", "data.rename = 1 return data", "data.drop, data.split = 1, 2 return data",
      "local parts = ('a,b'):split(',') return data", "return { rename = 1, drop = data.drop }",
    ] {
      let shape = try shape("upcaster \"A\" { [1] = function(data) \(body) end }")
      #expect(!shape.reshapes, "\(body): \(shape)")
    }
  }

  @Test func `a helper that is named like one of ours is none`() throws {
    let helper = "local function split(text) return { text } end\n"
    let here = try shape(
      helper + "upcaster \"A\" { [1] = function(data) data.x = split('a') return data end }")
    #expect(!here.reshapes)
    let module = try shape(
      "local text = require 'lib.text'\n"
        + "upcaster \"A\" { [1] = function(data) text.cut('a') return data end }",
      modules: ["lib.text": helper + "return { cut = split }"])
    #expect(!module.reshapes)
  }

  @Test(arguments: [
    ("return rename('B', data)", ["B 1 false"], false, true),
    ("return rename('B', data, 3);", ["B 3 true"], false, true),
    ("if data.x then return rename(\"B\", data, 2) end return data", ["B 2 true"], false, false),
    ("return data.x and rename('B', data) or data", ["B 1 false"], false, false),
    ("return rename('B', data) or data", ["B 1 false"], false, false),
    ("return rename('B', data, data.v)", ["B nil true"], false, true),
    ("return rename(data.t, data)", [], true, true),
    ("local r = rename return r('B', data)", [], true, false),
    (
      "return split { events.B { x = f(1, 2) }, events.C(data, { key = 'k', version = 4 }) }",
      ["B 1 false", "C 4 true"], false, true
    ),
    (
      "return split { events['B-1'](data), { type = 'C', data = data } }", ["B-1 1 false", "C nil true"],
      false,
      true
    ),
    ("return split { events[data.t](data) }", [], true, true),
    ("local make = events.B return split { make(data) }", [], true, true),
    // What is not plain to see leaves the step open.
    ("return split { events.C { x = 1 }, { ['type'] = 'B', data = {} } }", ["C 1 false"], true, true),
    (
      "local p = { events.C {} } p[2] = { type = 'B' } return split(p)", ["C 1 false", "B nil true"], false,
      true
    ),
    ("local p = { events.C {} } p[2] = make(data) return split(p)", ["C 1 false"], true, true),
    ("local p = { events.C {} } p[2].type = 'B' return split(p)", [], true, true),
    ("local p = { events.C {} } fill(p) return split(p)", [], true, true),
    ("local p = { events.C {} } p[1], p[2] = nil, x return split(p)", [], true, true),
    ("local p = { events.C {} } x, p[2] = nil, events.B {} return split(p)", [], true, true),
    ("local p = make(data) p[1] = events.C {} return split(p)", [], true, true),
    ("local p = { events.C {} } local p = f() return split(p)", [], true, true),
    (
      "local p = {} if x then p[#p + 1] = events.C(data, { version = 2 }) end "
        + "for i = 1, 2 do table.insert(p, events['B'] { n = i }) end return split(p)",
      ["C 2 true", "B 1 false"], false, true
    ),
    ("return _G.rename('B', data)", [], true, false),
    ("return _ENV['re' .. 'name']('B', data)", [], true, false),
    ("local ok, made = pcall(rename, 'B', data) return made", [], true, false),
    ("local function split(t) return t end return split { events.B(data) }", ["B 1 false"], true, false),
    ("local events = { B = f } return split { events.B(data) }", [], true, true),
    // Versions that are not plain to see may be any.
    ("return rename('B', fix(data))", ["B nil true"], false, true),
    ("return rename('B', { n = f(data) })", ["B 1 false"], false, true),
    ("return rename('B', data.inner)", ["B 1 false"], false, true),
    ("return rename('B', data, 1 + 1)", ["B nil true"], false, true),
    ("return split { events.B(data, { version = 1 + 1 }) }", ["B nil true"], false, true),
    ("return split { events.B(data, { meta = { version = 3 } }) }", ["B 1 false"], false, true),
    ("return split { events.B(data, { ['version'] = 3 }) }", ["B nil true"], false, true),
    ("return split { events.B(fix(data)) }", ["B nil true"], false, true),
    ("return split(data.list)", [], true, true),
    ("return drop()", [], false, true),
    ("if data.a then return drop() else return rename('B', data) end", ["B 1 false"], false, true),
  ])
  func `what a step can make is read from its text`(
    _ body: String, _ targets: [String], _ isOpen: Bool, _ isCertain: Bool
  ) throws {
    let shape = try shape("upcaster \"A\" { [1] = function(data) \(body) end }")
    let found = shape.targets.map { "\($0.type) \($0.version.map { "\($0)" } ?? "nil") \($0.isVersionSaid)" }
    #expect(found == targets && shape.isOpen == isOpen && shape.isCertain == isCertain, "\(shape)")
  }

  @Test func `a step is followed into plain functions of its file, and is open where a name may be anything`()
    throws
  {
    let file = """
      local function other(data) return rename("C", data) end
      local function b(data) return rename("B", data) end
      local function first(data) return b(data) end
      upcaster "A" { [1] = function(data) return first(data) end }
      upcaster "D" { [1] = function(data) return data end, [2] = other }
      """
    let catalog = catalog(file)
    #expect(catalog.upcasters["A"]?.shapes.map { $0.targets.map(\.type) } == [["B"]])
    #expect(catalog.upcasters["D"]?.shapes.map { $0.targets.map(\.type) } == [[], ["C"]])
    let module = try shape(
      "local m = require 'lib.m' upcaster 'A' { [1] = function(data) return m.go(data) end }",
      modules: ["lib.m": "return { go = function(data) return rename('B', data) end }"])
    #expect(module.isOpen)
    let tables = [
      "local steps = {} table.insert(steps, function(d) return rename('B', d) end)": "steps[1](data)",
      "local go, other other, go = nil, function(d) return rename('B', d) end": "go(data)",
      "local go = rename": "go('B', data)",
      "local rename = rename": "rename('B', data)",
      "local function go(d) return d end go = function(d) return rename('B', d) end": "go(data)",
      "_G.go = function(d) return rename('B', d) end": "go(data)",
    ]
    for (head, call) in tables {
      let found = try shape("\(head)\nupcaster 'A' { [1] = function(data) return \(call) end }")
      #expect(found.isOpen && !found.isCertain, "\(head): \(found)")
    }
    let block = try shape(
      "for _, go in ipairs { function(d) return rename('B', d) end } do "
        + "upcaster 'A' { [1] = function(data) return go(data) end } end")
    #expect(block.isOpen, "\(block)")
    let inner = try shape(
      "local function define(go) upcaster 'A' { [1] = function(data) return go(data) end } end "
        + "define(function(d) return rename('B', d) end)")
    #expect(inner.isOpen, "\(inner)")
  }

  @Test func `only a step that is one function is certain of what it makes`() throws {
    let wrapped = """
      local function only(f) return function(d, e) if d.big then return f(d, e) end return d end end
      upcaster "A" { [1] = only(function(data) return rename("B", data) end) }
      """
    let found = try shape(wrapped)
    #expect(found.targets.map(\.type) == ["B"] && !found.isCertain)
    #expect(catalog(wrapped).upcasters["A"]?.newest == 2)
    let handler = "consumer \"c\" { from = \"now\", on = { A = function() end } }"
    #expect(problems(["handlers/u.lua": wrapped, "handlers/a.lua": handler]) == [])
    let own = "upcaster 'A' { [1] = function(d) return split { events.A(d, { version = 2 }) } end }"
    #expect(catalog(own).upcasters["A"]?.newest == 2)
  }

  @Test func `a table of values in the file leaves no step open`() throws {
    let file = """
      local rates = { EUR = 1 }
      local function cents(total) return math.floor(total * 100 * rates.EUR) end
      upcaster "A" { [1] = function(data) data.cents = cents(data.total) * rates.EUR return data end }
      upcaster "B" { [1] = function(data) return rename("C", data) end }
      """
    let shapes = catalog(file).upcasters
    #expect(shapes["A"]?.shapes.first?.reshapes == false && shapes["B"]?.shapes.first?.isOpen == false)
  }

  @Test func `types beyond those that are remembered cost nothing that stays`() {
    let upcasters = catalog("upcaster 'Z' { [1] = function(data) return rename('B', data) end }").upcasters
    var table = SubscriptionTable(EventInterest(subscriptions: ["B"], upcasters: upcasters))
    func route(_ type: String) -> SubscriptionTable.Route {
      let bytes = Array(type.utf8)
      return table.route(bytes, ByteRange(start: 0, count: bytes.count))
    }
    for n in 0..<Limits.typesRememberedMax { _ = route("t-\(n)") }
    let first = route("Z")
    for _ in 0..<100 { _ = route("Z") }
    #expect(route("Z") == first && table.concerns(first, version: 1) && !table.concerns(first, version: 2))
  }

  @Test func `what a text does not show fails, by type and by version`() throws {
    let upcasters = catalog(
      "upcaster 'A' { [1] = function(d) return rename('B', d, 2) end, [2] = function(d) return d end }"
    ).upcasters
    let definition = try #require(upcasters["A"])
    func make(_ type: String, _ version: Int64, from: UInt32) throws(LuaFault) -> Record {
      let batch = RecordBatch()
      batch.bytes = Array("{}".utf8) + Array(repeating: 0, count: Limits.parserPaddingBytes)
      var envelope = Envelope(timeMicroseconds: 0, data: ByteRange(start: 0, count: 2))
      envelope.version = from
      let cause = Record(
        position: .start, offset: Offset(0), topic: TopicID(0), partition: 0, recordedMicroseconds: 0,
        envelope: envelope)
      let cells = RowBuffer()
      cells.append(text: type)
      cells.cells += [.integer(version), .absent, .absent]
      cells.append(text: "{}")
      cells.cells.append(.absent)
      return try ReshapedEvents(cause: cause, definition: definition, batch: batch).renamed(cells)
    }
    #expect(try make("B", 2, from: 1).envelope.version == 2)
    for (type, version, from) in [("C", 2, 1), ("B", 1, 1), ("B", 2, 2)] as [(String, Int64, UInt32)] {
      let fault = #expect(throws: LuaFault.self) { try make(type, version, from: from) }
      #expect(fault?.kind == .refused(code: "E0147"), "\(type) \(version) \(from)")
    }
  }

  @Test func `a handler is concerned by what may become its type, version by version`() {
    let upcasters = catalog(
      """
      upcaster "A" { [1] = function(data) return data end, [2] = function(data) return rename("B", data) end,
        [3] = function(data) return data end }
      upcaster "B" { [1] = function(data) if data.x then return rename("C", data) end return data end }
      """
    ).upcasters
    let newest = EventInterest(subscriptions: ["C"], upcasters: upcasters)
    #expect((1...4).map { newest.concerns(type: "A", version: $0) } == [true, true, false, false])
    #expect((1...2).map { newest.concerns(type: "B", version: $0) } == [true, false])
    #expect(newest.concerns(type: "C", version: 1) && !newest.concerns(type: "D", version: 1))
    let old = EventInterest(subscriptions: ["A"], upcasters: upcasters)
    #expect((1...4).map { old.concerns(type: "A", version: $0) } == [false, false, true, true])
    #expect(!old.concerns(type: "B", version: 1))
    let wanting = EventInterest(subscriptions: ["A"], wants: ["A": 2], upcasters: upcasters)
    #expect((1...4).map { wanting.concerns(type: "A", version: $0) } == [true, true, true, true])
    let other = EventInterest(subscriptions: ["D"], upcasters: upcasters)
    #expect((1...4).allSatisfy { !other.concerns(type: "A", version: $0) })
    #expect(newest.needsUpcaster(of: "A") && newest.needsUpcaster(of: "B"))
    #expect(!other.needsUpcaster(of: "A") && !other.needsUpcaster(of: "B"))
  }

  @Test func `circles are errors at the name that closes them, a later version of the own type is none`() {
    let circle = problems([
      "handlers/u.lua": """
      upcaster "A" { [1] = function(data) return rename("B", data) end }
      upcaster "B" { [1] = function(data) return data end,
        [2] = function(data) return rename("A", data, 1) end }
      """
    ])
    #expect(circle == ["E0141 3 upcasters go round in a circle: A → B → A"])
    let own = problems([
      "handlers/u.lua": """
      upcaster "A" { [1] = function(data) return split { events.A(data), events.B(data) } end }
      """
    ])
    #expect(own == ["E0141 1 upcasters go round in a circle: A → A"])
    let later = problems([
      "handlers/u.lua": """
      upcaster "A" {
        [1] = function(data) return split { events.A(data, { version = 2 }), events.B(data) } end,
        [2] = function(data) return data end }
      """
    ])
    #expect(later == [])
  }

  @Test func `a type of several versions that is made without one is warned of`() {
    let found = problems([
      "handlers/u.lua": """
      upcaster "A" { [1] = function(data) return rename("B", data) end }
      upcaster "B" { [1] = function(data) return data end }
      """
    ])
    #expect(
      found == [
        "E0145 1 upcaster \"A\" makes B without saying which of its versions, so it is version 1 of 2"
      ])
  }

  @Test func `a wanted version needs a type, a function and a way`() {
    let upcasters = """
      upcaster "A" { [1] = function(data) return data end, [2] = function(data) return data end,
        down = { [3] = function(data) return data end } }
      upcaster "B" { [1] = function(data) return data end,
        [2] = function(data) return rename("A", data, 3) end }
      """
    func found(_ wants: String) -> [String] {
      problems([
        "handlers/u.lua": upcasters,
        "handlers/a.lua":
          "consumer \"c\" { from = \"now\", on = { A = function() end, B = function() end },\n"
          + "wants = \(wants) }",
      ]).filter { !$0.hasPrefix("E0146") }
    }
    #expect(found("{ A = 2, B = 2 }") == [])
    #expect(found("{ A = 3, B = 1 }").map { $0.prefix(7) } == ["E0142 2"], "B has no way from 2 down to 1")
    #expect(
      found("{ A = 1 }") == [
        "E0142 2 consumer \"c\" wants version 1 of A, and nothing leads from version 2 down to 1"
      ])
    #expect(found("{ A = 4 }") == ["E0142 2 consumer \"c\" wants version 4 of A, whose newest is 3"])
    #expect(
      found("{ AA = 1 }") == [
        "E0142 2 consumer \"c\" wants version 1 of AA, which no upcaster gives versions"
      ])
    #expect(found("{ A = 0 }").map { $0.prefix(7) } == ["E0112 2"])
    #expect(found("{ 'A' }").map { $0.prefix(7) } == ["E0111 2"])
    #expect(found("5").map { $0.prefix(7) } == ["E0111 2"])
  }

  @Test func `a handler of a type that is renamed away is warned of`() {
    let upcaster = "upcaster \"A\" { [1] = function(data) return rename(\"B\", data) end }"
    let handler = "consumer \"c\" { from = \"now\", on = { A = function() end } }"
    #expect(
      problems(["handlers/u.lua": upcaster, "handlers/a.lua": handler]) == [
        "E0146 1 consumer \"c\" handles A, which its upcaster makes B of: it sees none"
      ])
    let wanting = handler.replacing("from", with: "wants = { A = 1 }, from")
    #expect(problems(["handlers/u.lua": upcaster, "handlers/a.lua": wanting]) == [])
  }

  @Test func `a renamed type is part of the version of who gets it`() throws {
    func versions(_ step: String) throws -> [Digest] {
      let catalog = TestProject.load([
        "a.lua": "consumer \"a\" { on = { Final = function() end } }",
        "b.lua": "consumer \"b\" { on = { Other = function() end } }",
        "u.lua": "upcaster \"Middle\" { [1] = function(data) return rename(\"Final\", data) end }",
        "v.lua": "upcaster \"First\" { [1] = function(data) \(step) return rename(\"Middle\", data, 1) end }",
      ])
      return try ["a", "b"].map { try #require(catalog.definition($0)).version }
    }
    let one = try versions("")
    let other = try versions("data.x = 1")
    #expect(one[0] != other[0] && one[1] == other[1])
  }
}

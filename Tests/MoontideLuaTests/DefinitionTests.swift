import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct DefinitionTests {
  func load(_ text: String, modules: [String: String] = [:]) throws -> (Bench, [LuaDefinition]) {
    let bench = try Bench(modules: modules)
    return (bench, try bench.state.load(ScriptSource(path: "handlers/d.lua", text: Array(text.utf8))))
  }

  @Test func `a file registers its definitions in order`() throws {
    let (_, definitions) = try load(
      """
      local shared = 1
      projection "orders" {
        schema = "create table t(a)", on = { A = function(event, db) end }, n = 1.5, list = { "x", "y" } }

      upcaster "OrderPlaced" {
        [1] = function(data) return data end,
        down = { [2] = function(data) return data end } }
      """)
    #expect(
      definitions.map { "\($0.kind) \($0.name) \($0.path):\($0.line)" } == [
        "projection orders handlers/d.lua:2", "upcaster OrderPlaced handlers/d.lua:5",
      ])
    #expect(
      definitions[0].body["schema"]?.text == "create table t(a)" && definitions[0].body["n"] == .number(1.5))
    guard case .table(let on)? = definitions[0].body["on"], case .function(let function)? = on["A"],
      case .function(let up) = definitions[1].body.entries[0].value
    else { throw Unexpected(what: "\(definitions)") }
    #expect(function.line == 3 && up.line == 6 && definitions[1].body.entries[0].key == .integer(1))
  }

  @Test(arguments: [
    ("projection 'a'", "a definition has a name but no table: kind \"name\" { … }"),
    ("projection 'a' 'b'", "projection \"a\" needs a table: projection \"a\" { … }"),
    ("projection { }", "projection needs a name: projection \"name\" { … }"),
    ("projektion 'a' {}", "attempt to call a nil value (global 'projektion')"),
    ("require 'lib.monei'", "require: there is no module 'lib.monei' in lib/; did you mean lib.money?"),
    ("require 'lib.a'", "require: the module 'lib.a' requires itself, directly or through others"),
    ("require 'lib.defines'", "projection: a module of lib/ defines no handlers"),
    ("print(os.time())", "os.time and os.date give the event's time: there is none while loading"),
    ("math.random()", "math.random is seeded by the event: there is none while loading"),
  ])
  func `a file that cannot be loaded says why`(text: String, message: String) throws {
    let modules = [
      "lib.money": "return {}", "lib.a": "return require 'lib.b'", "lib.b": "return require 'lib.a'",
      "lib.defines": "projection 'x' {}",
    ]
    let fault = try #require(throws: LuaFault.self) { try load(text, modules: modules) }
    #expect(fault.message == message)
  }

  @Test func `modules are loaded once and named`() throws {
    let (bench, _) = try load(
      """
      a, b = require "lib.money", require "lib.money"
      consumer "x" { same = a == b, cents = a.cents(2), shown = print == require("lib.deep").print }
      """,
      modules: [
        "lib.money":
          "local deep = require 'lib.deep' return { cents = function(x) return x * deep.hundred end }",
        "lib.deep": "return { hundred = 100, print = print }", "lib.unused": "error('never')",
      ])
    #expect(bench.state.requiredModules == ["lib.money", "lib.deep"])
  }

  @Test func `files of one state do not see each other's globals`() throws {
    let bench = try Bench()
    _ = try bench.state.load(ScriptSource(path: "handlers/a.lua", text: Array("shared = 1".utf8)))
    #expect(try bench.lines("print(shared)") == ["nil"])
  }

  @Test func `settings are data`() throws {
    let bench = try Bench()
    let text =
      "local n = 2 * 8 return { topics = { orders = { partitions = n } }, env = { 'A' }, flush = 'commit' }"
    guard
      case .table(let settings) = try bench.state.evaluate(
        ScriptSource(path: "moontide.lua", text: Array(text.utf8)))
    else { throw Unexpected(what: "no table") }
    #expect(settings.entries.map(\.key.text) == ["env", "flush", "topics"])
    #expect(settings["flush"]?.text == "commit")
    for (bad, message) in [
      ("projection 'a' {}", "projection: a settings file holds data only")
    ] {
      let fault = try #require(throws: LuaFault.self) {
        try bench.state.evaluate(ScriptSource(path: "moontide.lua", text: Array(bad.utf8)))
      }
      #expect(fault.message == message && fault.path == "moontide.lua")
    }
  }

  @Test(arguments: [
    ("return nil", "upcaster OrderPlaced [2] returned nothing: a forgotten return must not lose facts"),
    ("return 5", "upcaster OrderPlaced [2] returned a number, not the data"),
    ("return { 1 }", "an upcaster returned a list: data is an object"),
  ])
  func `an upcaster that loses facts is a fault`(body: String, message: String) throws {
    let bench = try Bench()
    let function = try bench.function(body)
    let record = bench.record("{}")
    let fault = try #require(throws: LuaFault.self) {
      try bench.state.upcast(
        UpcastSteps([function]), record: record, in: bench.batch, topic: Array("t".utf8), seed: Bench.seed)
    }
    #expect(fault.message == message)
  }

  @Test func `upcasters run in turn and keep arrays`() throws {
    let bench = try Bench()
    let first = try bench.function("event.steps = { 1 } return event")
    let second = try bench.function("event.steps[2] = ctx.data.steps == nil return event")
    let record = bench.record(#"{"empty":[],"deep":{"l":[],"o":{}},"f":2.0}"#)
    let outcome = try bench.state.upcast(
      UpcastSteps([first, second]), record: record, in: bench.batch, topic: Array("t".utf8), seed: Bench.seed)
    guard case .data(let part) = outcome else { throw Unexpected(what: "\(outcome)") }
    #expect(
      bench.batch.bytes.text(part) == #"{"deep":{"l":[],"o":{}},"empty":[],"f":2.0,"steps":[1,true]}"#)
  }
}

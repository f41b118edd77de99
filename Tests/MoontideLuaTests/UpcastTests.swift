import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct UpcastTests {
  /// Upcasters `function(data, event) BODY end` on one line each, from line 1 of `handlers/u.lua` on.
  private func steps(_ bodies: [String], in bench: Bench, isDown: Bool = false) throws -> UpcastSteps {
    var text = ""
    for (index, body) in bodies.enumerated() {
      text += "local function f\(index + 1)(data, event) \(body) end\n"
    }
    let entries = bodies.indices.map { "[\($0 + 1)] = f\($0 + 1)" }.joined(separator: ", ")
    text += "upcaster 'OrderPlaced' { \(entries) }"
    let loaded = try bench.state.load(ScriptSource(path: "handlers/u.lua", text: Array(text.utf8)))
    let functions = loaded[0].body.entries.compactMap { entry -> LuaFunction? in
      if case .function(let function) = entry.value { return function }
      return nil
    }
    return UpcastSteps(functions, isDown: isDown)
  }

  private func run(
    _ bodies: [String], data: String = "{}", isDown: Bool = false, in bench: Bench
  ) throws -> UpcastOutcome {
    let steps = try steps(bodies, in: bench, isDown: isDown)
    let record = bench.record(data)
    let outcome = try bench.state.upcast(
      steps, record: record, in: bench.batch, topic: Array("events".utf8), seed: Bench.seed)
    #expect(bench.state.stackHeight == 1)
    return outcome
  }

  private func fault(_ bodies: [String], isDown: Bool = false) throws -> LuaFault {
    let bench = try Bench()
    do {
      _ = try run(bodies, isDown: isDown, in: bench)
    } catch let fault as LuaFault {
      #expect(bench.state.stackHeight == 1)
      return fault
    }
    throw Unexpected(what: "nothing failed")
  }

  /// Cells as texts, `-` where nothing was given.
  private func texts(_ cells: RowBuffer) -> [String] {
    cells.cells.indices.map { index in
      switch cells.cells[index].kind {
      case .integer: "\(cells.cells[index].bits)"
      case .absent: "-"
      default: cells.text(index) ?? "?"
      }
    }
  }

  @Test func `upcasters change a copy of the data`() throws {
    let bench = try Bench()
    let outcome = try run(
      ["data.total_cents = data.total * 100; data.total = nil; return data", "data.n = 2 return data"],
      data: #"{"total":12,"lines":[],"meta":{}}"#, in: bench)
    guard case .data(let part) = outcome else { throw Unexpected(what: "\(outcome)") }
    #expect(bench.batch.bytes.text(part) == #"{"lines":[],"meta":{},"n":2,"total_cents":1200}"#)
    #expect(bench.batch.bytes.count == part.end + Limits.parserPaddingBytes)
  }

  @Test func `rename ends the chain with type, data and the version that was said`() throws {
    let bench = try Bench()
    let outcome = try run(
      ["return rename('OrderReceived', data)", "error 'not reached'"], data: #"{"a":1}"#, in: bench)
    guard case .renamed(let cells) = outcome else { throw Unexpected(what: "\(outcome)") }
    #expect(texts(cells) == ["OrderReceived", "-", "-", "-", #"{"a":1}"#, "-"])
    let second = try run(["return rename('X', event.data, 3)"], data: #"{"b":[]}"#, in: bench)
    guard case .renamed(let cells) = second else { throw Unexpected(what: "\(second)") }
    #expect(texts(cells) == ["X", "3", "-", "-", #"{"b":[]}"#, "-"])
  }

  @Test func `split gives each part with what it says of itself`() throws {
    let bench = try Bench()
    let outcome = try run(
      [
        """
        return split { events.A { n = data.n }, events.B({}, { key = 7, version = 2,
          time = "2020-01-01T00:00:00Z", meta = { m = 1 } }), { type = "C", data = event.data } }
        """
      ], data: #"{"n":5}"#, in: bench)
    guard case .split(let cells) = outcome else { throw Unexpected(what: "\(outcome)") }
    #expect(
      texts(cells) == [
        "A", "-", "-", "-", #"{"n":5}"#, "-", "B", "2", "7", "2020-01-01T00:00:00Z", "{}", #"{"m":1}"#,
        "C", "-", "-", "-", #"{"n":5}"#, "-",
      ])
  }

  @Test func `drop leaves nothing`() throws {
    guard case .dropped = try run(["return drop()"], in: Bench()) else {
      throw Unexpected(what: "it was not dropped")
    }
  }

  @Test(arguments: [
    ("data.x = 1", "upcaster OrderPlaced [3] returned nothing: a forgotten return must not lose facts"),
    ("return 5", "upcaster OrderPlaced [3] returned a number, not the data"),
    ("return array {}", "an upcaster returned a list: data is an object"),
    ("return rename('A')", "rename takes the new type and the data"),
    ("return rename('A', data, '2')", "the version that rename gives is an integer, not a string"),
    ("return rename('A', array {})", "the data that rename takes is an object, not a list"),
    ("return split {}", "split needs a part; drop() is how an event goes away"),
    ("return split(5)", "split takes a list"),
    ("return split { a = 1 }", "split takes a list of events, without holes"),
    ("return split { 5 }", "split: its parts are events, events.Type { … }, not a number"),
    ("return split { commands.A {} }", "split: its parts are events, events.Type { … }, not a command"),
    ("return split { events.A({}, { id = 'x' }) }", "split: a part has no 'id' of its own"),
    ("return split { events.A({}, { topic = 'x' }) }", "split: a part has no 'topic' of its own"),
    ("return split { { type = 'A' } }", "split: a part has no data"),
    ("return split { { type = 'A', data = {}, x = 1 } }", "split: a part is events.Type"),
    ("return split { { type = 'A', data = {}, time = 5 } }", "split: 'time' is a text, not a number"),
    ("return split { { type = 'A', data = {}, version = 1.5 } }", "split: 'version' is an integer"),
  ])
  func `what is no event is told at the function's place`(_ body: String, _ message: String) throws {
    let fault = try fault(["return data", body])
    #expect(fault.message.hasPrefix(message), "\(fault.message)")
    #expect(fault.kind == .runtime)
    #expect(fault.path == "handlers/u.lua" && fault.line == 2, "\(fault)")
  }

  @Test(arguments: ["m[2] = 5", "m[1] = 9", "m.type = 'X'", "rawset(m, 2, 5)", "m[1][1].type = 'X'"])
  func `what rename, split and drop make cannot be changed`(_ change: String) throws {
    for make in ["split { events.A(data) }", "rename('A', data, 2)", "drop()"] {
      let fault = try fault(["return data", "local m = \(make) \(change) return m"])
      #expect(fault.kind == .runtime && fault.line == 2, "\(make) \(change): \(fault)")
    }
    let told = try fault(["local m = drop() m[1] = 9 return m"])
    #expect(told.message.hasPrefix("what rename, split and drop make cannot be changed"), "\(told.message)")
    let nested = try fault(["data.x = drop() return data"])
    #expect(nested.message == "JSON cannot hold a userdata", "\(nested.message)")
  }

  @Test(arguments: ["position", "offset", "partition", "recorded"])
  func `an upcaster does not see where its event lies in the log`(_ field: String) throws {
    let fault = try fault(["data.x = event.\(field) return data"])
    #expect(fault.message.hasPrefix("an upcaster does not see '\(field)': its data follows"), "\(fault)")
    let bench = try Bench()
    let outcome = try run(
      ["for name in pairs(event) do data[name] = 1 end return data"], data: "{}", in: bench)
    guard case .data(let part) = outcome else { throw Unexpected(what: "\(outcome)") }
    #expect(!bench.batch.bytes.text(part).contains("\"\(field)\""), "\(bench.batch.bytes.text(part))")
  }

  @Test func `the parts of a split have a bound of bytes together, and say so`() throws {
    let big = "local text = string.rep('x', 3000000)"
    let bench = try Bench()
    guard case .split = try run([big + " return split { events.A { text = text } }"], in: bench) else {
      throw Unexpected(what: "no split")
    }
    let fault = try fault([big + " return split { events.A { text = text }, events.B { text = text } }"])
    #expect(
      fault.message == "split: its parts have more than \(Limits.eventBytesMax) bytes together", "\(fault)")
  }

  @Test func `a way down returns data only`() throws {
    let fault = try fault(["return data", "return drop()"], isDown: true)
    #expect(fault.message == "upcaster OrderPlaced down[1] returns data only: rename, split and drop lead up")
    #expect(fault.line == 2)
  }

  @Test func `a split has a bound`() throws {
    let fault = try fault([
      "local parts = {} for i = 1, 300 do parts[i] = events.A {} end return split(parts)"
    ])
    #expect(fault.message == "split makes at most \(Limits.splitPartsMax) parts, not 300")
  }

  @Test func `rename, split and drop are for upcasters, and upcasters have no other powers`() throws {
    let bench = try Bench()
    for call in ["rename('A', {})", "split { events.A {} }", "drop()"] {
      #expect(try bench.fault(call).message.hasSuffix(" is for upcasters, which return what it makes"))
    }
    // A handler that leaves its `ctx` for an upcaster.
    let text = """
      local left
      consumer "c" { on = { T = function(event, ctx) left = ctx end } }
      upcaster "OrderPlaced" { [1] = function(data) left.emit(events.A {}) return data end }
      """
    let loaded = try bench.state.load(ScriptSource(path: "handlers/l.lua", text: Array(text.utf8)))
    guard case .table(let on)? = loaded[0].body["on"], case .function(let handler)? = on["T"],
      case .function(let upcaster) = loaded[1].body.entries[0].value
    else { throw Unexpected(what: "\(loaded)") }
    try bench.handle(handler)
    do {
      _ = try bench.state.upcast(
        UpcastSteps([upcaster]), record: bench.record("{}"), in: bench.batch, topic: [], seed: Bench.seed)
      Issue.record("an upcaster emitted")
    } catch {
      #expect(error.message == "ctx is there while an event is handled")
    }
  }

  @Test func `a step over its budget fails, and the state is spent`() throws {
    let bench = try Bench(budget: LuaBudget(instructions: 100_000))
    do {
      _ = try run(["while true do end"], in: bench)
      Issue.record("it ended")
    } catch let fault as LuaFault {
      #expect(fault.kind == .instructionBudget && fault.line == 1, "\(fault)")
    }
    #expect(bench.state.isSpent)
  }
}

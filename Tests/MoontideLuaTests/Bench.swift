import MoontideCore
import Testing

@testable import MoontideLua

/// A state with a host, and events made of JSON.
final class Bench {
  let state: LuaState
  let host = RecordingHost()
  let batch = RecordBatch()
  var event: [String: String] = [:]

  init(
    budget: LuaBudget = LuaBudget(), modules: [String: String] = [:], tables: [StoreTable] = [Bench.orders]
  ) throws(LuaFault) {
    var sources: [String: ScriptSource] = [:]
    for (name, text) in modules {
      let path = "lib/" + name.dropFirst("lib.".count) + ".lua"
      sources[name] = ScriptSource(path: path, text: Array(text.utf8))
    }
    state = try LuaState(budget: budget, modules: sources)
    try state.bind(tables: tables)
    state.host = host
  }

  static let orders = StoreTable(
    name: "orders", columns: ["order_id", "customer", "status", "total_cents"], keyColumns: [0])

  static let seed = Digest(high: 1, low: 2)

  /// The batch with one event, of this data.
  func record(_ data: String, meta: String = "", time: String = "2019-05-20T07:07:47Z") -> Record {
    batch.removeAll()
    var envelope = Envelope()
    envelope.id = batch.bytes.appendPart("om-1")
    envelope.source = batch.bytes.appendPart("shop")
    envelope.type = batch.bytes.appendPart("OrderPlaced")
    envelope.key = batch.bytes.appendPart("990001")
    envelope.time = batch.bytes.appendPart(time)
    envelope.timeMicroseconds = EventTime(time)?.microseconds ?? 0
    envelope.version = 2
    envelope.data = batch.bytes.appendPart(data)
    envelope.meta = batch.bytes.appendPart(meta)
    batch.bytes += [UInt8](repeating: 0, count: Limits.parserPaddingBytes)
    return Record(
      position: Position(77), offset: Offset(5), topic: TopicID(1), partition: 3,
      recordedMicroseconds: 1_558_336_067_500_000, envelope: envelope)
  }

  /// Loads `function(event, db or ctx) BODY end` and runs it.
  func run(
    _ body: String, data: String = "{}", meta: String = "", power: LuaPower = .consumer, before: String = ""
  ) throws(LuaFault) {
    try handle(try function(body, power: power, before: before), data: data, meta: meta, power: power)
  }

  func handle(
    _ function: LuaFunction, data: String = "{}", meta: String = "", power: LuaPower = .consumer
  ) throws(LuaFault) {
    let record = record(data, meta: meta)
    try state.handle(
      function, power, record: record, in: batch, topic: Array("events".utf8), seed: Bench.seed)
    #expect(state.stackHeight == 1)
  }

  /// The body begins on line 2 of `handlers/t.lua`, behind `before` on line 1.
  func function(
    _ body: String, power: LuaPower = .consumer, before: String = ""
  ) throws(LuaFault) -> LuaFunction {
    let parameter = power == .consumer ? "ctx" : "db"
    let text = "\(before) consumer 'c' { on = { T = function(event, \(parameter))\n\(body)\nend } }"
    let definitions = try state.load(ScriptSource(path: "handlers/t.lua", text: Array(text.utf8)))
    guard case .table(let on)? = definitions[0].body["on"], case .function(let function)? = on["T"] else {
      throw LuaFault(kind: .runtime, message: "the definition is \(definitions)")
    }
    return function
  }

  /// What the body prints.
  func lines(
    _ body: String, data: String = "{}", meta: String = "", power: LuaPower = .consumer, before: String = ""
  ) throws(LuaFault) -> [String] {
    host.lines = []
    try run(body, data: data, meta: meta, power: power, before: before)
    return host.lines
  }

  /// The fault of a body that must fail.
  func fault(
    _ body: String, data: String = "{}", power: LuaPower = .consumer, before: String = ""
  ) throws -> LuaFault {
    do {
      try run(body, data: data, power: power, before: before)
    } catch {
      return error
    }
    throw Unexpected(what: "nothing failed; printed \(host.lines)")
  }
}

struct Unexpected: Error {
  var what: String
}

import MoontideCore
import Testing

@testable import MoontideLua

/// Prints nanoseconds per call; asserts only what holds in a debug build on a busy machine.
@Suite(.serialized) struct SpeedTests {
  static let data =
    #"{"order_id":"990001","customer":"ann@example.com","total_cents":1299,"currency":"EUR","lines":["#
    + #"{"sku":"A-1","qty":2,"price":499},{"sku":"B-22","qty":1,"price":301}],"note":"leave it at the door"}"#

  func measure(_ name: String, _ body: String, power: LuaPower) throws -> Double {
    let bench = Bench.Quiet()
    let state = try LuaState(budget: LuaBudget(), modules: [:])
    try state.bind(tables: [Bench.orders])
    state.host = bench
    let source = try Bench()
    let record = source.record(SpeedTests.data)
    let parameter = power == .consumer ? "ctx" : "db"
    let text = "consumer 'c' { on = { T = function(event, \(parameter)) \(body) end } }"
    let definitions = try state.load(ScriptSource(path: "handlers/t.lua", text: Array(text.utf8)))
    guard case .table(let on)? = definitions[0].body["on"], case .function(let function)? = on["T"] else {
      throw Unexpected(what: "\(definitions)")
    }
    let topic = Array("events".utf8)
    let clock = ContinuousClock()
    var best = Double.infinity
    for _ in 0..<5 {
      let count = 20_000
      let time = try clock.measure {
        for _ in 0..<count {
          try state.handle(function, power, record: record, in: source.batch, topic: topic, seed: Bench.seed)
        }
      }
      best = min(best, Double(time.components.attoseconds) / 1e9 / Double(count))
    }
    print("speed: \(name): \(Int(best)) ns")
    #expect(state.memoryBytes < 4 << 20, "\(state.memoryBytes) bytes after 100,000 events")
    return best
  }

  @Test func `a call costs a fraction of a microsecond in release`() throws {
    let empty = try measure("empty handler", "", power: .consumer)
    let two = try measure(
      "two fields", "local a, b = event.data.customer, event.data.total_cents", power: .consumer)
    let put = try measure(
      "two fields and a put of four columns",
      "db.orders:put { order_id = event.key, customer = event.data.customer, status = 'placed', "
        + "total_cents = event.data.total_cents }", power: .projection)
    #expect(empty < two && two < put * 2)
  }
}

extension Bench {
  /// A host that does nothing.
  final class Quiet: LuaHost {
    var timeLeft = Duration.zero
    func row(
      _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
    ) throws(HostRefusal) -> Bool { true }
    func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(HostRefusal) -> [String] { [] }
    func loadState(into buffer: RowBuffer) throws(HostRefusal) -> Bool { false }
    func saveState(_ value: [UInt8]?) throws(HostRefusal) {}
    func emit(_ event: RowBuffer, result: RowBuffer) throws(HostRefusal) {}
    func send(_ command: RowBuffer, result: RowBuffer) throws(HostRefusal) {}
    func print(_ text: [UInt8]) {}
    func missing(field: [UInt8], type: [UInt8]) {}
  }
}

import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct HandlingTests {
  @Test func `a handler reads its event and puts a row`() throws {
    let bench = try Bench()
    try bench.run(
      """
      db.orders:put { order_id = event.key, customer = event.data.customer, total_cents = event.data.total }
      """, data: #"{"customer":"ann","total":1299}"#, power: .projection)
    #expect(
      bench.host.rows == [
        RecordingHost.RowCall(operation: .put, table: 0, cells: ["'990001'", "'ann'", "-", "1299"])
      ])
  }

  @Test func `state is loaded, kept and saved when it changed`() throws {
    let bench = try Bench()
    try bench.run("ctx.state.seen = (ctx.state.seen or 0) + 1")
    try bench.run("ctx.state.seen = (ctx.state.seen or 0) + 1")
    let saved = try #require(bench.host.state)
    #expect(
      StateCodec.decode(saved)
        == .table(LuaTable([.init(key: .string(Array("seen".utf8)), value: .integer(2))])))
    try bench.run("local unused = ctx.state.seen")
    #expect(bench.host.saves.count == 2)
    try bench.run("ctx.state = nil")
    #expect(bench.host.saves.count == 3 && bench.host.state == nil)
  }

  @Test func `emit passes the fields of the event and returns its id`() throws {
    let bench = try Bench()
    let lines = try bench.lines(
      """
      local data = { to = event.data.to, n = 1.0, none = null, l = { 1, 2 } }
      print(ctx.emit(events.ReceiptRequested(data, { key = "k" })))
      """,
      data: #"{"to":"ann"}"#)
    #expect(lines == ["made-1"])
    #expect(
      bench.host.emitted == [
        [
          "'ReceiptRequested'", "'k'", "-", "-", "-", "-", #"'{"l":[1,2],"n":1.0,"none":null,"to":"ann"}'"#,
          "-",
        ]
      ])
  }

  @Test func `a loop behind pcall ends by the instruction budget`() throws {
    let bench = try Bench(budget: LuaBudget(instructions: 100_000))
    let fault = try bench.fault("local function loop() while true do end end while true do pcall(loop) end")
    #expect(fault.kind == .instructionBudget && fault.line == 2 && fault.path == "handlers/t.lua")
    #expect(bench.state.isSpent)
  }
}

import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct FaultTests {
  @Test func `a fault names path, line, what is blamed and the way there`() throws {
    let fault = try Bench().fault(
      """
      local function total(order)
        return order.lines.count
      end
      local sum = total(event.data)
      print(sum)
      """)
    #expect(fault.kind == .runtime)
    #expect(fault.message == "attempt to index a nil value (field 'lines')")
    #expect(fault.path == "handlers/t.lua" && fault.line == 3 && fault.blamed == "lines")
    #expect(fault.traceback.map(\.line) == [3, 5])
    #expect(fault.traceback.first?.function == "total")
  }

  @Test func `a long path is named whole`() throws {
    let path = "handlers/" + String(repeating: "deep/", count: 20) + "t.lua"
    let bench = try Bench()
    let fault = try #require(throws: LuaFault.self) {
      try bench.state.load(ScriptSource(path: path, text: Array("\nerror('no')".utf8)))
    }
    #expect(fault.path == path && fault.line == 2 && fault.message == "no")
  }

  @Test(arguments: [
    ("error('plain')", "plain"), ("error('level', 0)", "level"), ("error({ code = 'E1' })", "{code = E1}"),
    ("error()", "error without a message (nil)"), ("error(42)", "42"), ("error(null)", "null"),
    ("error(setmetatable({}, { __tostring = function() while true do end end }))", "{}"),
    ("local t = {} t.t = t error(t)", "{t = {t = {t = {t = table}}}}"),
    ("assert(false)", "assertion failed!"),
    ("assert(nil, 'given')", "given"), ("local s = 'a' .. {}", "attempt to concatenate a table value"),
    ("error(('x'):rep(10000))", String(repeating: "x", count: Limits.errorTextBytesMax)),
  ])
  func `any error has a message and a line`(body: String, message: String) throws {
    let fault = try Bench().fault("\n\(body)")
    #expect(fault.message == message && fault.line == 3 && fault.kind == .runtime)
  }

  @Test func `an error in a module names the module`() throws {
    let bench = try Bench(modules: ["lib.money": "return {\n cents = function(x)\n return x.a.b end }"])
    let fault = try bench.fault("money.cents({})", before: "local money = require 'lib.money'")
    #expect(fault.path == "lib/money.lua" && fault.line == 3 && fault.blamed == "a")
    #expect(fault.traceback.map(\.path) == ["lib/money.lua", "handlers/t.lua"])
  }

  @Test func `a syntax error in a module names the module`() throws {
    let bench = try Bench(modules: ["lib.money": "return {\n\n cents = }"])
    let fault = try bench.fault("", before: "local money = require 'lib.money'")
    #expect(fault.kind == .syntax && fault.path == "lib/money.lua" && fault.line == 3)
    #expect(fault.message == "unexpected symbol near '}'")
  }

  @Test func `a refusal keeps its code unless it is caught`() throws {
    let bench = try Bench()
    bench.host.refusal = HostRefusal(code: "constraint", message: "orders.status may not be null")
    let fault = try bench.fault("\ndb.orders:put { order_id = 1 }", power: .projection)
    #expect(fault.kind == .refused(code: "constraint") && fault.line == 3)
    #expect(fault.message == "orders.status may not be null")
    let lines = try bench.lines(
      "print(pcall(db.orders.put, db.orders, { order_id = 1 }))", power: .projection)
    #expect(lines == ["false\torders.status may not be null"])
    let other = try bench.fault("pcall(db.orders.put, db.orders, {}) error('own')", power: .projection)
    #expect(other.kind == .runtime && other.message == "own")
  }

  @Test func `a fatal refusal cannot be caught`() throws {
    let bench = try Bench()
    bench.host.refusal = HostRefusal(code: "disk-full", message: "no room", fatal: true)
    let fault = try bench.fault(
      "while true do pcall(db.orders.put, db.orders, { order_id = 1 }) end", power: .projection)
    #expect(fault.kind == .refused(code: "disk-full") && fault.message == "no room" && fault.line == 2)
  }

  @Test func `a failed handler leaves a state that works`() throws {
    let bench = try Bench()
    let function = try bench.function("if event.data.bad then error('bad') end print('fine')")
    for bad in [true, false, true, false] {
      if bad {
        #expect(throws: LuaFault.self) { try bench.handle(function, data: #"{"bad":true}"#) }
      } else {
        try bench.handle(function)
      }
    }
    #expect(bench.host.lines == ["fine", "fine"] && !bench.state.isSpent && bench.state.stackHeight == 1)
  }
}

import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct BudgetTests {
  static let small = LuaBudget(instructions: 2_000_000, time: .seconds(20), memoryBytes: 8 << 20)

  @Test(arguments: [
    "while true do end",
    "local function loop() while true do end end while true do pcall(loop) end",
    "local function loop() while true do end end xpcall(loop, loop) while true do end",
    "local function loop() while true do end end while true do xpcall(loop, loop) end",
    "local function loop() while true do end end while true do coroutine.resume(coroutine.create(loop)) end",
    "local function loop() while true do end end pcall(coroutine.wrap(function() pcall(loop) end)) "
      + "while true do end",
    "while true do coroutine.wrap(function() end)() end",
    "local t = setmetatable({}, {}) getmetatable(t).__close = function() while true do end end "
      + "local c <close> = t while true do end",
    "while true do string.rep('x', 1000000) end",
    "local s = ('x'):rep(1000000) while true do s:upper() end",
    "local s = ('a'):rep(500000) .. 'b' while true do s:find(('a'):rep(100000) .. 'c', 1, true) end",
    "local t = {} for i = 1, 1000 do t[i] = i end while true do for k in pairs(t) do break end end",
    "local t = {} for i = 1, 1000 do t[i] = i end while true do table.concat(t) end",
    "local t = {} for i = 1, 5000 do t[i] = -i end while true do table.sort(t) end",
    "local t = {} for i = 1, 1000 do t[i] = i end while true do table.insert(t, 1, 0) table.remove(t, 1) end",
    "local t = {} for i = 1, 1000 do t['k' .. i] = i end while true do next(t) end",
    "local t = setmetatable({}, { __index = function(t, k) return k end }) for i in ipairs(t) do end",
    "('a'):rep(30):find(('a?'):rep(30) .. ('a'):rep(30))",
    "('a'):rep(40):match('(.-)(.-)(.-)(.-)(.-)(.-)(.-)(.-)b')",
    "('x'):rep(200000):find('.-b')",
    "('('):rep(200000):gsub('%b()', '')",
    "for word in ('a'):rep(200000):gmatch('a-b') do end",
    "('x'):rep(100000):gsub('[' .. ('a'):rep(100000) .. ']', '')",
    "('x'):rep(100000):find('%f[' .. ('a'):rep(1000) .. ']')",
    "while true do ('x'):rep(1000):gsub('x', ('y'):rep(1000)) end",
  ])
  func `no script outlives the instruction budget`(body: String) throws {
    let bench = try Bench(budget: BudgetTests.small)
    let fault = try bench.fault(body)
    #expect(fault.kind == .instructionBudget, "\(fault)")
    #expect(fault.message.hasPrefix("instruction budget: 2000000 allowed, "), "\(fault.message)")
    #expect(fault.path == "handlers/t.lua" && fault.line == 2)
    #expect(bench.state.isSpent)
  }

  @Test(arguments: [
    "while true do end", "local function loop() while true do end end while true do pcall(loop) end",
  ])
  func `no script outlives the time budget`(body: String) throws {
    let bench = try Bench(budget: LuaBudget(instructions: .max / 2, time: .milliseconds(30)))
    let fault = try bench.fault(body)
    #expect(fault.kind == .timeBudget && fault.line == 2, "\(fault)")
    #expect(fault.message.hasPrefix("time budget: 30 ms allowed, "), "\(fault.message)")
    #expect(bench.state.isSpent)
  }

  @Test(arguments: [
    "local t = {} while true do t[#t + 1] = {} end",
    "local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end",
    "local t = {} for i = 1, 100 do t[i] = ('x'):rep(1000000 + i) end",
    "local t = {} while true do pcall(function() t[#t + 1] = ('x'):rep(1000000 + #t) end) end",
    "local s = 'x' while true do s = s .. s end",
    "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
  ])
  func `no script outgrows the memory budget`(body: String) throws {
    let bench = try Bench(
      budget: LuaBudget(instructions: 200_000_000, time: .seconds(60), memoryBytes: 8 << 20))
    let fault = try bench.fault(body)
    #expect(fault.kind == .memoryBudget, "\(fault)")
    #expect(fault.message.hasPrefix("memory budget: 8388608 bytes allowed, "), "\(fault.message)")
    #expect(fault.path == "handlers/t.lua" && fault.line == 2, "\(fault)")
    #expect(bench.state.isSpent && bench.state.memoryBytes <= 8 << 20)
  }

  @Test(arguments: [
    ("string.rep('x', 1 << 62)", "string.rep: the result is too long: at most 4194304 bytes"),
    ("('x'):rep(1000, ('y'):rep(100000))", "string.rep: the result is too long: at most 4194304 bytes"),
    ("table.unpack({}, 1, 1 << 62)", "a range of more than 1000000 elements"),
    ("table.move({}, 1, 1 << 62, 2)", "a range of more than 1000000 elements"),
    ("table.concat({}, '', math.mininteger, math.maxinteger)", "a range of more than 1000000 elements"),
    (
      "table.insert(setmetatable({}, { __len = function() return 1 << 62 end }), 1, 2)",
      "a table with __len is not taken here"
    ),
  ])
  func `a call that would hang in C is refused`(body: String, message: String) throws {
    let fault = try Bench(budget: BudgetTests.small).fault(body)
    #expect(fault.kind == .runtime && fault.message == message)
  }

  @Test func `an empty text repeated without end is empty`() throws {
    #expect(try Bench().lines("print(#string.rep('', 1 << 62))") == ["0"])
  }

  @Test func `recursion ends as an ordinary error`() throws {
    let bench = try Bench()
    let fault = try bench.fault(
      "local function f(n) local a, b, c, d = n, n, n, n return a + b + c + d + f(n + 1) end f(1)")
    #expect(fault.kind == .runtime && fault.message.contains("stack overflow"), "\(fault)")
    #expect(!bench.state.isSpent, "\(fault)")
    #expect(try bench.lines("print(1)") == ["1"])
  }

  @Test func `every event has the whole budget`() throws {
    let bench = try Bench(budget: LuaBudget(instructions: 20_000))
    let function = try bench.function("for i = 1, 3000 do end")
    for _ in 0..<50 { try bench.handle(function) }
    #expect(!bench.state.isSpent)
  }

  @Test func `loading has a budget`() throws {
    let bench = try Bench(budget: BudgetTests.small)
    let fault = try #require(throws: LuaFault.self) {
      try bench.state.load(ScriptSource(path: "handlers/l.lua", text: Array("\nwhile true do end".utf8)))
    }
    #expect(fault.kind == .instructionBudget && fault.path == "handlers/l.lua" && fault.line == 2)
  }

  @Test func `garbage does not use up the memory budget`() throws {
    let bench = try Bench(budget: LuaBudget(memoryBytes: 2 << 20))
    let function = try bench.function("for i = 1, 2000 do local t = { i, { i } } end")
    for _ in 0..<100 { try bench.handle(function, data: #"{"a":[1,2,3]}"#) }
    #expect(bench.state.memoryBytes < 2 << 20)
  }

  @Test func `a state needs memory`() {
    #expect(throws: LuaFault.self) { try LuaState(budget: LuaBudget(memoryBytes: 1_000), modules: [:]) }
  }
}

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
    ("table.unpack({}, 1, 1 << 62)", "a call gives at most 65536 values"),
    ("select('#', ('x'):rep(100000):byte(1, -1))", "a call gives at most 65536 values"),
    (
      "string.format('%q', ('\\1'):rep(2000000))",
      "string.format: the result is too long: at most 4194304 bytes"
    ),
    (
      "local x = ('x'):rep(1000000) table.concat { x, x, x, x, x }",
      "table.concat: the result is too long: at most 4194304 bytes"
    ),
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

  /// Each of them is one instruction, or one call of the library, that takes long: a count of a thousand of
  /// them would be seconds.
  @Test(arguments: [
    "local a, b = ('\\0'):rep(4 << 20), ('\\0'):rep((4 << 20) - 1) .. '\\0' "
      + "while true do local _ = a < b end",
    "local a = ('x'):rep(4 << 20) while true do local _ = a:sub(2) .. 'y' end",
    "local s = (' '):rep(4000000) .. '1' while true do local _ = s + 1 end",
    "local t, i = {}, 0 for i = 1, 1 << 17 do t['k' .. i] = i end "
      + "while true do i = i + 1 t['k' .. i] = nil t['n' .. i] = 1 end",
    "local function f(...) while true do local n = select('#', ...) end end f(table.unpack({}, 1, 65536))",
    "local t = {} pcall(function() for i = 1, 480000 do t[i] = { i } end end) "
      + "while true do local x = { 1 } end",
    "local make = coroutine.wrap(function() coroutine.yield(('\\0'):rep(4 << 20)) "
      + "return ('\\0'):rep((4 << 20) - 1) .. '\\0' end) local a, b = make(), make() "
      + "while true do local _ = a < b end",
  ])
  func `an instruction that takes long does not put off the deadline`(body: String) throws {
    let bench = try Bench(budget: LuaBudget(instructions: .max / 2, time: .milliseconds(100)))
    let began = ContinuousClock.now
    let fault = try bench.fault(body)
    let passed = ContinuousClock.now - began
    #expect(fault.kind == .timeBudget || fault.kind == .memoryBudget, "\(fault)")
    #expect(passed < .milliseconds(350), "\(passed)")
    #expect(bench.state.isSpent)
  }

  @Test func `a text that grows without end is too long`() throws {
    let fault = try Bench().fault("local s = 'x' while true do s = s .. s end")
    #expect(fault.kind == .memoryBudget && fault.line == 2)
    #expect(fault.message.hasPrefix("memory budget: a text of at most 4194304 bytes allowed, "))
  }

  @Test func `parsing has a budget`() throws {
    let names = (0..<180).map { "v\($0)" }.joined(separator: ",")
    let text =
      String(repeating: "local \(names) return function() ", count: 80)
      + String(repeating: "X=X ", count: 200_000)
      + String(repeating: " end", count: 80)
    let bench = try Bench(budget: LuaBudget(time: .milliseconds(50)))
    let fault = try #require(throws: LuaFault.self) {
      try bench.state.load(ScriptSource(path: "handlers/deep.lua", text: Array(text.utf8)))
    }
    #expect(fault.kind == .timeBudget && fault.path == "handlers/deep.lua" && fault.line == 1, "\(fault)")
  }

  @Test func `blocks of many sizes do not add up to many budgets`() throws {
    let bench = try Bench(budget: LuaBudget(memoryBytes: 4 << 20))
    let function = try bench.function(
      "local kept = {} for i = 1, 6000 do kept[i] = ('x'):rep(event.data.n) .. i end")
    var isThrownAway = false
    for size in stride(from: 40, to: 480, by: 16) where !isThrownAway {
      try bench.handle(function, data: #"{"n":\#(size)}"#)
      isThrownAway = bench.state.isSpent
    }
    #expect(isThrownAway)
  }

  @Test func `the text of Lua's memory error is not the lack of it`() throws {
    let bench = try Bench()
    #expect(try bench.lines("print(pcall(error, 'not enough memory'))") == ["false\tnot enough memory"])
    #expect(try bench.fault("error('not enough memory', 0)").kind == .runtime)
    #expect(!bench.state.isSpent)
  }

  /// A scanner that goes through a long text piece by piece pays for the pieces.
  @Test func `looking at parts of a long text is cheap`() throws {
    let bench = try Bench(budget: LuaBudget(instructions: 5_000_000))
    let lines = try bench.lines(
      """
      local text, n, at = ("word "):rep(20000), 0, 1
      for i = 1, 50000 do if text:byte(i) == 32 then n = n + 1 end end
      for i = 1, 50000 do if text:sub(i, i) == " " then n = n + 1 end end
      while at do at = text:find("%s", at) if at then n, at = n + 1, at + 1 end end
      print(n)
      """)
    #expect(lines == ["40000"])
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

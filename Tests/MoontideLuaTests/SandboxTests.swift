import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct SandboxTests {
  @Test(arguments: [
    ("x = 1", "globals are read-only after load: 'x'; keep state in ctx.state or db"),
    ("_G.x = 1", "globals are read-only after load: 'x'; keep state in ctx.state or db"),
    ("known = 2", "globals are read-only after load: 'known'; keep state in ctx.state or db"),
    ("string.upper = nil", "string is read-only: 'upper' cannot be changed"),
    ("math.pi = 3", "math is read-only: 'pi' cannot be changed"),
    ("rawset(_G, 'x', 1)", "rawset: this table is read-only"),
    ("rawset(string, 'x', 1)", "rawset: this table is read-only"),
    ("table.insert(table, 1)", "this table is read-only"),
    ("getmetatable('').__index = nil", "getmetatable of a string is not offered"),
    ("local _, inner = pairs(string) inner.upper = nil", "string is read-only: 'upper' cannot be changed"),
    (
      "local _, inner = pairs(_G) inner.x = 1",
      "globals are read-only after load: 'x'; keep state in ctx.state or db"
    ),
    ("pairs(event)(nil)", "bad argument #1 to '?' (event expected, got nil)"),
    ("pairs(event)(event.data)", "bad argument #1 to '?' (event expected, got table)"),
    ("pairs(event.data)(event)", "the iterator of pairs goes through its own table only"),
    ("pairs(event.data)(null)", "the iterator of pairs goes through its own table only"),
    ("setmetatable(string, {})", "cannot change a protected metatable"),
    ("setmetatable(_G, {})", "cannot change a protected metatable"),
    ("setmetatable({}, { __gc = print })", "__gc is not offered in metatables"),
    ("setmetatable({}, { __close = print })", "__close is not offered in metatables"),
    ("setmetatable({}, { __mode = 'k' })", "__mode is not offered in metatables"),
    ("setmetatable(event.data, {})", "setmetatable needs a plain table, not table"),
    ("projection 'x' {}", "projection is for the top of a handler file, not for handlers"),
    ("require 'lib.none'", "require 'lib.none' belongs at the top of the file"),
    ("string.format('%p', {})", "string.format: %p is not offered"),
    (
      "math.randomseed(1)",
      "math.randomseed is not offered: math.random is seeded by handler, topic and event id"
    ),
    ("os.date('%E')", "os.date: the conversion '%E' is not offered"),
    ("ctx.emitt({})", "ctx has no field 'emitt'; did you mean emit?"),
    ("reject('')", "reject needs a code: reject(\"ORDER_EXISTS\", \"text\")"),
  ])
  func `what would leave the sandbox is refused`(body: String, message: String) throws {
    #expect(try Bench().fault(body, before: "known = 1").message == message)
  }

  @Test func `what is dangerous is not there`() throws {
    let names = [
      "io", "debug", "package", "load", "loadstring", "loadfile", "dofile", "collectgarbage", "os.execute",
      "os.getenv", "os.clock", "os.exit", "string.dump", "coroutine.close", "warn",
    ]
    let body = names.map { "print('\($0)', \($0))" }.joined(separator: "\n")
    #expect(try Bench().lines(body) == names.map { "\($0)\tnil" })
  }

  @Test(arguments: [
    ("\u{1B}Lua", "the file is Lua bytecode: only text is loaded"),
    ("\u{FEFF}return 1", "the file begins with a byte order mark: save it as UTF-8 without one"),
    ("return 1 +", "unexpected symbol near <eof>"),
  ])
  func `what is not plain Lua text is a syntax error`(text: String, message: String) throws {
    let bench = try Bench()
    let fault = try #require(throws: LuaFault.self) {
      try bench.state.load(ScriptSource(path: "handlers/bad.lua", text: Array(text.utf8)))
    }
    #expect(fault == LuaFault(kind: .syntax, message: message, path: "handlers/bad.lua", line: 1))
  }

  @Test func `a script may begin with a line for the shell`() throws {
    let value = try Bench().state.evaluate(
      ScriptSource(path: "moontide.lua", text: Array("#!/usr/bin/env lua\nreturn 7".utf8)))
    #expect(value == .integer(7))
  }

  @Test func `pairs and next have one order`() throws {
    let lines = try Bench().lines(
      """
      local t = { b = 1, a = 2, [true] = 3, [false] = 4, [2.5] = 5, [2] = 6, [-1] = 7, aa = 8,
        [10] = 9, ["é"] = 10 }
      local keys = {}
      for k in pairs(t) do keys[#keys + 1] = tostring(k) end
      print(table.concat(keys, " "))
      keys = {}
      for k in next, t do keys[#keys + 1] = tostring(k) end
      print(table.concat(keys, " "))
      for k in pairs(t) do t[k] = nil end
      print(next(t))
      print(pcall(pairs, { [print] = 1 }))
      for k in pairs(setmetatable({}, { __pairs = function() return next, { x = 1 } end })) do print(k) end
      """)
    #expect(
      lines == [
        "-1 2 2.5 10 a aa b é false true", "-1 2 2.5 10 a aa b é false true", "nil",
        "false\ta table with a function as a key has no order: use numbers, strings or booleans as keys", "x",
      ])
  }

  @Test func `two fresh states give the same lines`() throws {
    let body = """
      print(math.random(1000), math.random(), math.random(5, 9), math.random(0))
      print({}, print, coroutine.create(print), function() end, null, event, event.data)
      print(string.format("%s %s %d", {}, print, 3),
        tostring(setmetatable({}, { __tostring = function() return "T" end })))
      local t = {}; for i = 1, 300 do t["k" .. i * 7919 % 301] = i end
      local keys = {}; for k in pairs(t) do keys[#keys + 1] = k end; print(table.concat(keys, ","))
      local list = {}; for i = 1, 500 do list[i] = { i % 7, i } end
      table.sort(list, function(a, b) return a[1] < b[1] end)
      local out = {}; for i, v in ipairs(list) do out[i] = v[2] end; print(table.concat(out, ","))
      """
    let first = try Bench().lines(body)
    let second = try Bench().lines(body)
    #expect(first == second)
    #expect(first[1] == "table\tfunction\tthread\tfunction\tnull\ttable\ttable")
    #expect(first[2] == "table function 3\tT")
    #expect(
      first[4].hasPrefix("7,14,21,28,"), "a stable sort keeps the order of equals: \(first[4].prefix(40))")
  }

  @Test func `another event draws other numbers`() throws {
    let bench = try Bench()
    let function = try bench.function("print(math.random(0))")
    for id in ["om-1", "om-2", "om-1"] {
      var record = bench.record("{}")
      record.envelope.id = bench.batch.bytes.appendPart(id)
      bench.batch.bytes += [UInt8](repeating: 0, count: Limits.parserPaddingBytes)
      try bench.state.handle(
        function, .consumer, record: record, in: bench.batch, topic: Array("events".utf8), seed: Bench.seed)
    }
    let lines = bench.host.lines
    #expect(lines.count == 3 && lines[0] == lines[2] && lines[0] != lines[1], "\(lines)")
  }

  @Test func `time is the event's`() throws {
    let lines = try Bench().lines(
      """
      print(os.time(), os.date("!%Y-%m-%dT%H:%M:%S"), os.date("%H:%M", 0), os.date("*t").yday)
      print(os.time { year = 2019, month = 5, day = 20, hour = 7, min = 7, sec = 47 })
      print(moontide.time("1970-01-01T00:00:01.5+00:00"), moontide.time(event.time))
      print(pcall(moontide.time, "yesterday"))
      """)
    #expect(
      lines == [
        "1558336067\t2019-05-20T07:07:47\t00:00\t140", "1558336067", "1500000\t1558336067000000",
        "false\tmoontide.time: not an RFC 3339 time such as 2026-01-31T12:00:00Z: 'yesterday'",
      ])
  }

  @Test func `the language works as elsewhere`() throws {
    let lines = try Bench().lines(
      """
      print(("x"):rep(3, "-"), ("abc"):find("b", 1, true), ("a.b"):find("%."), ("hello"):gsub("l", "L"))
      print(pcall(error, { code = 1 }), select("#", pcall(error)),
        xpcall(error, function(m) return "h:" .. m end, "e"))
      print(tostring(nil), tonumber("0x10"), #"abc", type(nil), utf8.char(233), math.maxinteger, "10" + 1)
      local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)
      print(co(1), co(10), pcall(co))
      print(coroutine.resume(coroutine.create(function() error("in", 0) end)))
      print(select(2, pcall(function() local x = nil; return x.y end)))
      print(table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), ","), table.remove({ 1, 2 }),
        rawlen({ 1 }), rawget({ a = 1 }, "a"))
      local s = { 3, 1, 2 }; table.sort(s); print(table.concat(s))
      table.sort(s, function(a, b) return a > b end)
      print(table.concat(s), rawequal(s, s), next({}), ("%5.1f|%q"):format(1.25, "a"))
      """)
    #expect(
      lines == [
        "x-x-x\t2\t2\theLLo\t2", "false\t2\tfalse\th:e",
        "nil\t16\t3\tnil\té\t9223372036854775807\t11", "2\t20\tfalse\tcannot resume dead coroutine",
        "false\tin",
        "handlers/t.lua:9: attempt to index a nil value (local 'x')", "1,1,2,3\t2\t1\t1", "123",
        "321\ttrue\tnil\t  1.2|\"a\"",
      ])
  }

  @Test func `an event is gone through field by field`() throws {
    let lines = try Bench().lines(
      """
      local seen = {}
      for name, value in pairs(event) do seen[#seen + 1] = name .. "=" .. tostring(value) end
      print(table.concat(seen, " "))
      for name, value in pairs(math) do if name == "pi" then print(name) end end
      """)
    #expect(
      lines == [
        "id=om-1 source=shop type=OrderPlaced version=2 topic=events partition=3 offset=5 position=77 "
          + "key=990001 time=2019-05-20T07:07:47Z recorded=2019-05-20T07:07:47.500Z data=table", "pi",
      ])
  }

  @Test func `a module that fails is no module of what follows`() throws {
    let bench = try Bench(modules: ["lib.bad": "error('no')"])
    let function = try bench.function("print(1)", before: "pcall(require, 'lib.bad')")
    try bench.handle(function)
    #expect(bench.host.lines == ["1"])
  }

  @Test func `a definition by way of a function in C has the place of the script`() throws {
    let definitions = try Bench().state.load(
      ScriptSource(
        path: "handlers/p.lua", text: Array("\nselect(2, pcall(consumer, 'c')) { on = {} }".utf8)))
    #expect(definitions.map(\.path) == ["handlers/p.lua"] && definitions.map(\.line) == [2])
  }

  @Test func `what one event emits is bounded`() throws {
    let fault = try Bench().fault(
      "local s = ('x'):rep(1000000) for i = 1, 100 do ctx.emit { type = 'A', data = { s = s } } end")
    #expect(fault.message == "one event emits at most 16777216 bytes")
  }

  @Test func `print is bounded for one event`() throws {
    let bench = try Bench()
    try bench.run("for i = 1, 100 do print(('x'):rep(1000)) end")
    let total = bench.host.lines.reduce(0) { $0 + $1.utf8.count + 1 }
    #expect(total <= Limits.printBytesMax + 1, "\(total) bytes")
    #expect(total > Limits.printBytesMax / 2, "\(total) bytes")
  }
}

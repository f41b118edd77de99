import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct ConsumerTests {
  @Test func `state of every kind comes back as it was kept`() throws {
    let bench = try Bench()
    try bench.run(
      """
      ctx.state = { i = math.mininteger, f = 1.0, s = "a\\0é", t = true, n = null,
        list = { 1, { 2 } }, empty = array {},
        [3] = "three", [2.5] = "x", [false] = 0, copy = event.data, inf = 1/0 }
      """, data: #"{"z":[],"a":{"b":[1.0,null]}}"#)
    let first = bench.host.state
    let lines = try bench.lines(
      """
      local s = ctx.state
      print(s.i, s.f, s.s, s.t, s.n == null, s.list[2][1], s[3], s[2.5],
        s[false], s.copy.a.b[1], s.copy.a.b[2], s.inf)
      ctx.emit { type = "T", data = { e = s.empty, z = s.copy.z } }
      """)
    #expect(lines == ["-9223372036854775808\t1.0\ta\0é\ttrue\ttrue\t2\tthree\tx\t0\t1.0\tnull\tinf"])
    #expect(bench.host.emitted[0][6] == #"'{"e":[],"z":[]}'"#)
    #expect(bench.host.saves.count == 1, "reading saved again")
    #expect(bench.host.state == first)
  }

  @Test func `nested changes of state count and equal state is not saved`() throws {
    let bench = try Bench()
    try bench.run("ctx.state.a = { b = { 1 } }")
    try bench.run("ctx.state.a.b[2] = 2")
    try bench.run("ctx.state.a.b[2] = 3; ctx.state.a.b[2] = 2")
    try bench.run("ctx.state = ctx.state")
    #expect(bench.host.saves.count == 2)
    try bench.run("ctx.state.a = nil")
    #expect(bench.host.saves.count == 3 && bench.host.state == nil)
  }

  @Test func `a failed handler saves nothing`() throws {
    let bench = try Bench()
    _ = try bench.fault("ctx.state.a = 1; error('no')")
    #expect(bench.host.saves.isEmpty)
    #expect(try bench.lines("print(ctx.state.a)") == ["nil"])
  }

  @Test(arguments: [
    ("ctx.state.f = print", "a function cannot be kept here"),
    ("ctx.state.t = ctx.state", "the value is nested deeper than 64, or holds itself"),
    ("for i = 1, 100001 do ctx.state[i] = i end", "the value has more than 100000 parts"),
    ("ctx.state.s = ('x'):rep(1 << 21)", "the value is longer than 1048576 bytes"),
    ("ctx.state = 5", "ctx.state is a table or nil, not a number"),
    ("ctx.stat = 5", "ctx is read-only but for ctx.state: 'stat'"),
    ("ctx.state.e = event", "a userdata cannot be kept here"),
  ])
  func `what cannot be kept is refused`(body: String, message: String) throws {
    let bench = try Bench()
    let fault = try bench.fault(body)
    #expect(fault.message == message)
    // What fails behind the end of the function is told where that begins.
    #expect(fault.path == "handlers/t.lua" && (1...2).contains(fault.line ?? 0), "\(fault)")
    #expect(bench.host.saves.isEmpty)
  }

  @Test func `damaged state is an error, never a crash`() throws {
    let bench = try Bench()
    try bench.run("ctx.state = { a = { 1, 2, { b = 'text' } }, c = 1.5, d = array { true, null } }")
    let good = try #require(bench.host.state)
    let seed = UInt64.random(in: 1 ... .max)
    var random = SplitMix(state: seed)
    for _ in 0..<2_000 {
      var bad = good
      let at = Int(random.next() % UInt64(bad.count))
      bad[at] = UInt8(truncatingIfNeeded: random.next())
      if random.next() % 4 == 0 { bad.removeLast(Int(random.next() % UInt64(bad.count))) }
      bench.host.state = bad
      do { try bench.run("local x = ctx.state") } catch {
        #expect(
          error.message == "the kept state is damaged" || error.kind == .runtime, "seed \(seed): \(error)")
      }
      _ = StateCodec.decode(bad)
    }
  }

  @Test(arguments: [
    ("ctx.emit { type = 'T', data = {}, kee = 1 }", "an emitted event has no field 'kee'; did you mean key?"),
    ("ctx.emit(events.T({}, { kee = 1 }))", "an envelope has no field 'kee'; did you mean key?"),
    (
      "ctx:emit(events.T {})", "ctx.emit takes an event: ctx.emit(events.Type { … }), with a dot, not a colon"
    ),
    ("ctx.emit(commands.T {})", "ctx.emit takes events; a command is sent by ctx.send"),
    (
      "ctx.emit(events.T {}, { topic = 'out' })",
      "ctx.emit takes one value; its topic and key go into events.Type(data, { topic = … })"
    ),
    ("ctx.emit { data = {} }", "ctx.emit: the event has no type"),
    ("ctx.emit { type = 'T' }", "ctx.emit: the event has no data"),
    ("ctx.emit { type = 'T', data = { 1 } }", "ctx.emit: 'data' must be an object, not an array"),
    ("ctx.emit { type = 'T', data = 1 }", "ctx.emit: 'data' must be a table, not a number"),
    ("ctx.emit { type = 'T', data = {}, version = '1' }", "ctx.emit: 'version' must be an integer"),
    ("ctx.emit { type = 1, data = {} }", "ctx.emit: 'type' must be a text, not a number"),
    ("events.T(1)", "the data of T must be a table"),
    ("ctx.emit(events.T { a = 0/0 })", "JSON has no NaN and no infinity"),
    ("ctx.emit(events.T { a = 1/0 })", "JSON has no NaN and no infinity"),
    ("ctx.emit(events.T { a = '\\xff' })", "a text is not UTF-8: JSON cannot hold it"),
    ("ctx.emit(events.T { a = '\\xed\\xa0\\x80' })", "a text is not UTF-8: JSON cannot hold it"),
    ("ctx.emit(events.T { a = { 1, x = 2 } })", "a JSON object has text keys only: found a number"),
    ("ctx.emit(events.T { a = { [2] = 2 } })", "a JSON object has text keys only: found a number"),
    ("ctx.emit(events.T { a = array { x = 1 } })", "an array has the keys 1 to n only, without holes"),
    ("ctx.emit(events.T { a = print })", "JSON cannot hold a function"),
    ("local t = {} t.t = t ctx.emit(events.T(t))", "the value is nested deeper than 64"),
    (
      "local s = ('x'):rep(1 << 21) ctx.emit(events.T { s, s, s, a = s, b = s, c = s })",
      "a JSON object has text keys only: found a number"
    ),
    (
      "local s = ('x'):rep(1 << 21) ctx.emit(events.T { a = s, b = s, c = s })",
      "the JSON is longer than 4194304 bytes"
    ),
  ])
  func `what is not an event is refused when it is emitted`(body: String, message: String) throws {
    let bench = try Bench()
    #expect(try bench.fault(body).message == message)
    #expect(bench.host.emitted.isEmpty)
  }

  @Test func `every field of an emitted event has its cell`() throws {
    let bench = try Bench()
    try bench.run(
      """
      ctx.emit { type = "T", key = 5, id = "i", time = "2026-01-01T00:00:00Z", version = 3, topic = "other",
        data = { b = { 1, 1.5, 1e100, 0.1, -0.0, 100.0, 123456789012345678 },
          a = { {}, array {}, { x = false } } }, meta = { m = 1 } }
      ctx.emit(events.Bare())
      """)
    #expect(
      bench.host.emitted == [
        [
          "'T'", "'5'", "'i'", "'2026-01-01T00:00:00Z'", "3", "'other'",
          #"'{"a":[{},[],{"x":false}],"b":[1,1.5,1e+100,0.1,-0.0,100.0,123456789012345678]}'"#, #"'{"m":1}'"#,
        ], ["'Bare'", "-", "-", "-", "-", "-", "'{}'", "-"],
      ])
  }
}

/// Random numbers from a seed that a failure shows.
struct SplitMix {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

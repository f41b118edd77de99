import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct EventTests {
  @Test func `an event shows its fields`() throws {
    let lines = try Bench().lines(
      """
      print(event.id, event.source, event.type, event.version, event.topic, event.partition, event.offset)
      print(event.position, event.key, event.time, event.recorded, type(event),
        type(event.data), event.meta.a)
      """, meta: #"{"a":1}"#)
    #expect(
      lines == [
        "om-1\tshop\tOrderPlaced\t2\tevents\t3\t5",
        "77\t990001\t2019-05-20T07:07:47Z\t2019-05-20T07:07:47.500Z\ttable\ttable\t1",
      ])
  }

  @Test func `numbers, null and absence keep their kinds`() throws {
    let lines = try Bench().lines(
      """
      local d = event.data
      print(math.type(d.i), math.type(d.f), d.f, d.max, d.min, d.e, d.n == null, d.n == nil,
        d.x == nil, d.yes, d.no)
      print(type(d.n), tostring(d.n), d.s, #d.s)
      """,
      data:
        #"{"i":1,"f":1.0,"max":9223372036854775807,"min":-9223372036854775808,"e":1e3,"n":null,"yes":true,"#
        + #""no":false,"s":"\u00e9\u0000x"}"#)
    #expect(
      lines == [
        "integer\tfloat\t1.0\t9223372036854775807\t-9223372036854775808\t1000.0\t"
          + "true\tfalse\ttrue\ttrue\tfalse",
        "null\tnull\té\0x\t4",
      ])
  }

  @Test func `an integer beyond 64 bits with a sign is refused, not rounded`() throws {
    let fault = try Bench().fault("print(event.data.i)", data: #"{"i":9223372036854775808}"#)
    #expect(fault.message == "an integer in the event is beyond 64 bits with a sign")
  }

  @Test func `data behaves as a table, in document order`() throws {
    let lines = try Bench().lines(
      """
      for k, v in pairs(event.data) do print(k, type(v)) end
      for i, v in ipairs(event.data.list) do print(i, v) end
      for i, v in pairs(event.data.list) do print(i, v) end
      print(#event.data.list, #event.data, table.concat(event.data.list, "-"),
        table.unpack(event.data.list, 2))
      print(next(event.data), next(event.data, "b"), next(event.data, "list"))
      print(select("#", table.unpack(event.data.none)), #event.data.none,
        event.data.list[0], event.data.list[4])
      """, data: #"{"z":{},"b":true,"list":[3,1,2],"none":[]}"#)
    #expect(
      lines == [
        "z\ttable", "b\tboolean", "list\ttable", "none\ttable", "1\t3", "2\t1", "3\t2", "1\t3", "2\t1",
        "3\t2",
        "3\t0\t3-1-2\t1\t2", "z\tlist\tnone\ttable", "0\t0\tnil\tnil",
      ])
  }

  @Test func `a part read twice is the same value`() throws {
    let lines = try Bench().lines(
      """
      local d = event.data
      print(d == event.data, d.a == d.a, d.a == d.b, d.a.c == event.data.a.c, rawequal(d.a, d.a),
        event.meta == event.meta)
      """, data: #"{"a":{"c":[]},"b":{"c":[]}}"#, meta: "{}")
    #expect(lines == ["true\ttrue\tfalse\ttrue\ttrue\ttrue"])
  }

  @Test(arguments: [
    ("event.data.a = 1", "event data is read-only; copy it with table.copy(value) to change the copy"),
    ("event.data.l[1] = 1", "event data is read-only; copy it with table.copy(value) to change the copy"),
    (
      "table.insert(event.data.l, 1)",
      "event data is read-only; copy it with table.copy(value) to change the copy"
    ),
    (
      "table.sort(event.data.l)", "event data is read-only; copy it with table.copy(value) to change the copy"
    ),
    ("rawset(event.data, 'a', 1)", "bad argument #1 to 'rawset' (table expected, got table)"),
    ("event.key = 'x'", "an event is read-only: what happened cannot be changed"),
    ("print(event.kee)", "an event has no field 'kee'; did you mean key?"),
  ])
  func `an event cannot be changed`(body: String, message: String) throws {
    #expect(try Bench().fault(body, data: #"{"a":2,"l":[2,1]}"#).message == message)
  }

  @Test func `a copy of data can be changed`() throws {
    let bench = try Bench()
    try bench.run(
      """
      local copy = table.copy(event.data)
      copy.l[3] = copy.l[1]; copy.o.x = nil
      ctx.emit { type = "T", data = copy }
      """, data: #"{"l":[2,1],"o":{"x":1},"e":[]}"#)
    #expect(bench.host.emitted[0][6] == #"'{"e":[],"l":[2,1,2],"o":{}}'"#)
  }

  @Test func `what is kept from an event is refused after its handler`() throws {
    let bench = try Bench()
    let function = try bench.function(
      """
      if kept.data then return print(pcall(kept.how)) end
      kept.data, kept.event = event.data.a, event
      """, before: "kept = { how = function() return kept.data.b end }")
    try bench.handle(function, data: #"{"a":{"b":1}}"#)
    try bench.handle(function, data: #"{"a":{"b":2}}"#)
    #expect(
      bench.host.lines == [
        "false\thandlers/t.lua:1: event.data cannot be used after its handler has returned: "
          + "copy what is needed"
      ])
  }

  @Test func `a missing field is told once for a type`() throws {
    let bench = try Bench()
    let function = try bench.function("local a, b = event.data.custmer, event.data.o.deep")
    for _ in 0..<3 { try bench.handle(function, data: #"{"customer":1,"o":{}}"#) }
    #expect(bench.host.missed == ["OrderPlaced.custmer"])
  }

  @Test func `data that nobody reads is not parsed`() throws {
    try Bench().run("local k = event.key", data: "{ this is not JSON")
    let fault = try Bench().fault("local k = event.data", data: "{ this is not JSON")
    #expect(fault.message.hasPrefix("event.data is not JSON: "))
  }

  @Test func `data goes out as it came in`() throws {
    let bench = try Bench()
    let data =
      #"{"z":1.0,"a":[],"o":{},"n":null,"t":[true,false,{"x":"\"\\\n\u0001é"}],"#
      + #""e":1e-7,"m":-0.0,"big":1e300}"#
    try bench.run(#"ctx.emit { type = "T", data = event.data }"#, data: data)
    #expect(
      bench.host.emitted[0][6]
        == #"'{"z":1.0,"a":[],"o":{},"n":null,"t":[true,false,{"x":"\"\\\n\u0001é"}],"#
        + #""e":1e-07,"m":-0.0,"big":1e+300}'"#
    )
  }
}

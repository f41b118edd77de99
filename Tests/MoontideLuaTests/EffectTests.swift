import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct EffectTests {
  private func bench() throws -> Bench {
    let bench = try Bench()
    bench.host.names = ["URL", "TOKEN"]
    return bench
  }

  /// The request with its holes written as `<NAME>`.
  private func shown(_ request: [UInt8]) -> String {
    String(
      decoding: request.map { $0 == 0xFF ? UInt8(ascii: "<") : $0 == 0xFE ? UInt8(ascii: ">") : $0 },
      as: UTF8.self)
  }

  @Test func `an effect hands its kind and its request over and gives its key`() throws {
    let bench = try bench()
    let lines = try bench.lines(
      "print(ctx.effect('http', { url = 'http://h/', json = event.data, headers = { A = 'b' } }))",
      data: #"{"z":1.0,"a":[]}"#)
    #expect(lines == ["key-1"])
    #expect(bench.host.effects.map(\.kind) == ["http"])
    #expect(
      shown(bench.host.effects[0].request)
        == #"{"headers":{"A":"b"},"json":{"z":1.0,"a":[]},"url":"http://h/"}"#)
  }

  @Test func `a reference can be joined with texts on both sides and stays a hole`() throws {
    let bench = try bench()
    try bench.run(
      """
      ctx.effect('http', { url = ctx.env.URL .. '/o"' .. 1, headers = { 'Bearer ' .. ctx.env.TOKEN },
        both = ctx.env.URL .. '?' .. ctx.env.TOKEN, plain = ctx.env.URL })
      """)
    #expect(
      shown(bench.host.effects[0].request)
        == #"{"both":"<URL>?<TOKEN>","headers":["Bearer <TOKEN>"],"plain":"<URL>","url":"<URL>/o\"1"}"#)
  }

  @Test(arguments: [
    ("ctx.env.OTHER", "no OTHER"),
    ("ctx.env.URL = 'x'", "ctx.env is read-only: the environment is set where moontide is started"),
    (
      "ctx.emit { type = 'T', data = { t = ctx.env.TOKEN } }",
      "ctx.env.NAME is for ctx.effect alone: a secret goes into no event, command or state"
    ),
    (
      "pcall(ctx.effect, 'http', { ctx.env.URL, print }) ctx.emit { type = 'T', data = { t = ctx.env.URL } }",
      "ctx.env.NAME is for ctx.effect alone: a secret goes into no event, command or state"
    ),
    (
      "return string.format('%s', ctx.env.TOKEN)",
      "string.format: ctx.env.NAME is a reference: join it with .. instead"
    ),
    (
      "return ctx.env.TOKEN.x",
      "ctx.env.NAME is a reference: only the effect gets its value; join it with .. or give it to ctx.effect"
    ),
    ("return ctx.env.TOKEN .. {}", "attempt to join a ctx.env reference with a table value"),
    (
      "return ctx.env.TOKEN .. '\\xff'", "a ctx.env reference is joined with a text that is not UTF-8"
    ),
    (
      "ctx:effect('http', {})",
      "ctx.effect takes a kind and a table: ctx.effect(\"http\", { url = … }), with a dot, not a colon"
    ),
    ("ctx.effect('log', { text = '\\xff' })", "a text is not UTF-8: JSON cannot hold it"),
  ])
  func `what would let a secret out, or is no effect, is refused`(body: String, message: String) throws {
    let bench = try bench()
    let body = body.hasPrefix("return ") ? "local x = \(body.dropFirst(7))" : body
    let statement = body.hasPrefix("ctx.env.OTHER") ? "local x = \(body)" : body
    #expect(try bench.fault(statement).message == message)
    #expect(bench.host.emitted.isEmpty && bench.host.effects.isEmpty)
  }

  @Test func `a reference goes into no state and is printed by its name`() throws {
    let bench = try bench()
    #expect(throws: LuaFault.self) { try bench.run("ctx.state.t = ctx.env.TOKEN") }
    #expect(bench.host.saves.isEmpty)
    let lines = try bench.lines("print('a' .. ctx.env.TOKEN, type(ctx.env.URL), tostring(ctx.env.URL))")
    #expect(lines == ["a(ctx.env.TOKEN)\tuserdata\t(ctx.env.URL)"])
  }
}

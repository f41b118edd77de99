import MoontideCore
import Testing

@testable import MoontideLua

/// Calls of a saga's functions: what they get, what they may return, what is kept.
struct SagaTests {
  /// A state with the functions of a table, by name.
  private final class Sagas {
    let bench: Bench
    let functions: [String: LuaFunction]
    let batch = RecordBatch()
    let record: Record

    init(_ body: String, before: String = "") throws {
      bench = try Bench()
      let script = ScriptSource(path: "handlers/s.lua", text: Array("\(before) saga \"s\" { \(body) }".utf8))
      var functions: [String: LuaFunction] = [:]
      for entry in try bench.state.load(script)[0].body.entries {
        if case .function(let function) = entry.value { functions[entry.key.text ?? ""] = function }
      }
      self.functions = functions
      let batch = batch
      func add(_ text: String) -> ByteRange { batch.bytes.appendPart(text) }
      let envelope = Envelope(
        timeMicroseconds: 1_000_000, id: add("e-1"), type: add("OrderCreated"), key: add("k"),
        data: add(#"{"order":"o-1","n":7}"#))
      batch.bytes += Array(repeating: 0, count: Limits.parserPaddingBytes)
      record = Record(
        position: Position(3), offset: Offset(0), topic: TopicID(0), partition: 0,
        recordedMicroseconds: 2_000_000, envelope: envelope)
      batch.records = [record]
    }

    func function(_ name: String) throws -> LuaFunction { try #require(functions[name]) }
    var occasion: LuaOccasion {
      LuaOccasion(record, in: batch, topic: Array("orders".utf8), seed: .zero, microseconds: 5_000_000)
    }
    func begin() throws -> [UInt8] { try bench.state.beginSaga(functions["initial"], occasion) }
  }

  private func texts(_ commands: [RowBuffer]) -> [String] {
    commands.map {
      ($0.text(EmittedField.type.rawValue) ?? "") + " " + ($0.text(EmittedField.data.rawValue) ?? "")
    }
  }

  @Test func `correlate gives a text, a number as its digits, or nothing`() throws {
    let sagas = try Sagas(
      """
      text = function(event) return event.data.order end, number = function(event) return event.data.n end,
      none = function() end, wrong = function() return {} end,
      """)
    let state = sagas.bench.state
    #expect(try state.correlate(try sagas.function("text"), sagas.occasion) == Array("o-1".utf8))
    #expect(try state.correlate(try sagas.function("number"), sagas.occasion) == Array("7".utf8))
    #expect(try state.correlate(try sagas.function("none"), sagas.occasion) == nil)
    #expect(throws: LuaFault.self) { try state.correlate(try sagas.function("wrong"), sagas.occasion) }
  }

  @Test func `a step's changes of its state are kept, and its commands are given`() throws {
    let sagas = try Sagas(
      """
      initial = function(event) return { order = event.data.order, sent = 0 } end,
      send = function(state) state.sent = state.sent + 1; return commands.Reserve { order = state.order } end,
      many = function(state) return { commands.A {}, commands.B { n = state.sent, at = os.time() } } end,
      nothing = function() end,
      event = function() return events.A {} end, word = function() return "A" end,
      """)
    let state = sagas.bench.state
    var kept = try sagas.begin()
    let first = try state.send(try sagas.function("send"), &kept, sagas.occasion)
    #expect(texts(first) == [#"Reserve {"order":"o-1"}"#])
    #expect(
      texts(try state.send(try sagas.function("many"), &kept, sagas.occasion)) == [
        "A {}", #"B {"at":5,"n":1}"#,
      ])
    #expect(try state.send(try sagas.function("nothing"), &kept, sagas.occasion).isEmpty)
    for wrong in ["event", "word"] {
      let before = kept
      #expect(throws: LuaFault.self) { try state.send(try sagas.function(wrong), &kept, sagas.occasion) }
      #expect(kept == before, "nothing is kept of a call that failed")
    }
  }

  @Test func `compensate gets the result, or nil, and compensated gets why`() throws {
    let sagas = try Sagas(
      """
      undo = function(state, result)
        if not result then return commands.Cancel {} end
        return commands.Refund { order = result.data.order, type = result.type, at = os.time() }
      end,
      over = function(state, why) return commands.Over { reason = why.reason, code = why.code } end,
      """)
    let state = sagas.bench.state
    var kept = try sagas.begin()
    let undo = try sagas.function("undo")
    #expect(texts(try state.compensate(undo, &kept, result: false, sagas.occasion)) == ["Cancel {}"])
    #expect(
      texts(try state.compensate(undo, &kept, result: true, sagas.occasion))
        == [#"Refund {"at":5,"order":"o-1","type":"OrderCreated"}"#])
    let why = [(name: "reason", text: "a: NO"), (name: "code", text: "")]
    #expect(
      texts(try state.conclude(try sagas.function("over"), &kept, why: why, sagas.occasion))
        == [#"Over {"reason":"a: NO"}"#])
  }

  @Test func `a step has no ctx, not even one that a function of on left for it`() throws {
    let sagas = try Sagas(
      """
      react = function(state, event, ctx) state.seen = event.type; left.ctx = ctx end,
      send = function(state) left.ctx.complete() end,
      back = function(state) return { other = 1 } end,
      command = function(state) return commands.A {} end,
      """, before: "local left = {}")
    let state = sagas.bench.state
    var kept = try sagas.begin()
    try state.react(try sagas.function("react"), &kept, sagas.occasion)
    #expect(StateCodec.decode(kept) != nil)
    let fault = #expect(throws: LuaFault.self) {
      try state.send(try sagas.function("send"), &kept, sagas.occasion)
    }
    #expect(fault?.message == "ctx is there while an event is handled")
    try state.react(try sagas.function("back"), &kept, sagas.occasion)
    #expect(
      StateCodec.decode(kept)
        == .table(LuaTable([.init(key: .string(Array("other".utf8)), value: .integer(1))])))
    #expect(throws: LuaFault.self) { try state.react(try sagas.function("command"), &kept, sagas.occasion) }
  }
}

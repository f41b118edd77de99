import MoontideCore
import MoontideLua
import Testing

@testable import MoontideRuntime

struct EmissionTests {
  private let project: TestProject
  private let batch = RecordBatch()

  init() throws {
    project = try TestProject([
      "handlers/c.lua": "consumer \"c\" { on = { A = function() end }, was = \"old_c\" }",
      "handlers/u.lua": "upcaster \"B\" { [1] = function(data) return data end }",
    ])
  }

  private func emission(ordinal: Int = 0, meta: String = "") throws -> Emission {
    try project.publish("A", key: "k", id: "cause-\(ordinal)\(meta.count)", meta: meta)
    let end = project.log.durableEnd
    _ = try project.log.read(from: Position(end.value - 1), records: 1, bytes: 1, into: batch)
    return Emission(
      maker: try project.definition("c").identityName, catalog: project.catalog,
      cause: try #require(batch.records.first),
      batch: batch, topic: .events, ordinal: ordinal)
  }

  private func fields(_ values: [EmittedField: String], version: Int64? = nil) -> RowBuffer {
    let buffer = RowBuffer()
    for field in EmittedField.allCases {
      if field == .version, let version {
        buffer.cells.append(.integer(version))
      } else if let value = values[field] {
        buffer.append(text: value)
      } else {
        buffer.cells.append(.absent)
      }
    }
    return buffer
  }

  @Test func `what is not given comes from the cause, and a repetition makes the same id`() throws {
    let emission = try emission()
    let event = try emission.event(fields([.type: "B", .data: "{}"]))
    #expect(event.topic == .events && event.version == 2)
    #expect(String(decoding: event.key, as: UTF8.self) == "k")
    #expect(String(decoding: event.time, as: UTF8.self) == "2026-11-17T09:00:00+01:00")
    #expect(String(decoding: event.source, as: UTF8.self) == "old_c")
    let id = String(decoding: event.id, as: UTF8.self)
    #expect(id.hasPrefix("old_c-") && id.utf8.count == 38)
    #expect(
      String(decoding: event.meta, as: UTF8.self)
        == #"{"causationid":"cause-00","correlationid":"cause-00","causationdepth":1}"#)
    #expect(try emission.event(fields([.type: "C", .data: "{}"])).id == event.id)
    let next = Emission(
      maker: emission.maker, catalog: emission.catalog, cause: emission.cause, batch: batch,
      topic: .events, ordinal: 1)
    #expect(try next.event(fields([.type: "B", .data: "{}"])).id != event.id)
  }

  @Test func `a consumer and a decider of one name make different ids of one cause`() throws {
    let emission = try emission()
    var decision = emission
    decision.isDecision = true
    let made = fields([.type: "B", .data: "{}"])
    #expect(try decision.event(made).source == emission.event(made).source)
    #expect(try decision.event(made).id != emission.event(made).id)
    #expect(try decision.event(made).id == decision.event(made).id)
  }

  @Test(arguments: ["9223372036854775807", "-9223372036854775808", "1e400", "-1e400", "99999999999999999999"])
  func `a depth of causes that no chain has is refused`(depth: String) throws {
    let emission = try emission(meta: #"{"causationdepth":\#(depth)}"#)
    let made = fields([.type: "B", .data: "{}"])
    if depth.hasPrefix("-") {
      #expect(
        String(decoding: try emission.event(made).meta, as: UTF8.self).contains(#""causationdepth":1}"#))
    } else {
      let refused = #expect(throws: HostRefusal.self) { try emission.event(made) }
      #expect(refused?.code == "E0309")
    }
  }

  @Test func `given fields win, except those that say what caused it`() throws {
    let event = try emission(meta: #"{"causationdepth":3}"#).event(
      fields(
        [
          .type: "B", .data: "{}", .key: "x", .id: "mine", .time: "2026-01-01T00:00:00Z", .topic: "out",
          .meta: #"{"causationid":"lie","correlationid":"c","a":[1]}"#,
        ], version: 7))
    #expect(event.version == 7 && event.topic.text == "out")
    #expect(String(decoding: event.id, as: UTF8.self) == "mine")
    let meta = String(decoding: event.meta, as: UTF8.self)
    #expect(meta.hasSuffix(#""causationdepth":4,"correlationid":"c","a":[1]}"#) && !meta.contains("lie"))
  }

  @Test func `what the log would not take is refused with the rule`() throws {
    let emission = try emission()
    func refusal(_ values: [EmittedField: String], version: Int64? = nil) -> String {
      do throws(HostRefusal) {
        _ = try emission.event(fields(values, version: version))
        return "taken"
      } catch {
        return error.code
      }
    }
    let sound: [EmittedField: String] = [.type: "B", .data: "{}"]
    #expect(refusal(sound) == "taken")
    #expect(refusal([.data: "{}"]) == "E0307")
    #expect(refusal([.type: "B"]) == "E0307")
    #expect(refusal([.type: "B", .data: "[]"]) == "E0307")
    #expect(refusal([.type: "", .data: "{}"]) == "E0307")
    for (field, wrong) in [
      (EmittedField.topic, "_own"), (.topic, "a/b"), (.time, "yesterday"), (.key, ""), (.id, "a\nb"),
      (.key, String(repeating: "x", count: 1_025)),
    ] {
      #expect(refusal(sound.merging([field: wrong]) { $1 }) == "E0307", "\(field) \(wrong)")
    }
    #expect(refusal(sound, version: 0) == "E0307")
    #expect(
      throws: HostRefusal(code: "E0308", message: "one event emits at most 1000"),
      performing: { try self.emission(ordinal: 1_000).event(fields(sound)) })
  }
}

import MoontideCore
import MoontideJSON
import MoontideLua

/// Makes the event that a handler emits, and refuses what the log would not take.
///
/// Its source is the handler's name (the old one when it was renamed), so that two handlers never contend for
/// an id. Without an id of its own it is named after handler, topic, the identity of its cause and an
/// ordinal: handling the cause again makes the same id. `meta` says what caused it: `causationid` (the
/// cause's id), `correlationid` and `traceparent` (the cause's; else its id, else none) and
/// `causationdepth` (one more than the cause's; an event from outside has 0).
struct Emission {
  /// The identity name of the handler that makes it.
  let maker: String
  let catalog: ProjectCatalog
  let cause: Record
  let batch: RecordBatch
  /// Of the cause.
  let topic: TopicName
  /// How many were emitted for this cause before.
  let ordinal: Int
  /// Whether a decider makes it.
  var isDecision = false

  func event(_ fields: RowBuffer) throws(HostRefusal) -> OutboxEvent {
    guard let type = try text(.type, fields, limit: Limits.typeBytesMax) else {
      throw refuse("an emitted event needs a type")
    }
    return try made(type, in: try targetTopic(fields), fields)
  }

  private func made(
    _ type: [UInt8], in target: TopicName, _ fields: RowBuffer
  ) throws(HostRefusal) -> OutboxEvent {
    guard ordinal < Limits.emittedPerEventMax else {
      throw HostRefusal(
        code: RuntimeCode.emitTooMany.rawValue,
        message: isDecision
          ? "one decision makes at most \(Limits.emittedPerEventMax) events"
          : "one event emits at most \(Limits.emittedPerEventMax)")
    }
    guard let data = bytes(.data, fields), data.first == UInt8(ascii: "{") else {
      throw refuse("the data of an emitted event is a table with named fields")
    }
    let event = OutboxEvent(
      topic: target, id: try text(.id, fields, limit: Limits.identityBytesMax) ?? derivedID(),
      source: Array(maker.utf8), type: type, version: try version(fields, type),
      key: try text(.key, fields, limit: Limits.identityBytesMax)
        ?? Array(batch.bytes[cause.envelope.key.indices]),
      time: try time(fields), data: data, meta: try meta(bytes(.meta, fields)), cause: cause.position)
    let size = event.data.count + event.meta.count + event.key.count + event.id.count
    guard size <= Limits.eventBytesMax else {
      throw refuse("an event has at most \(Limits.eventBytesMax) bytes, not \(size)")
    }
    return event
  }

  /// A command, which goes to its decider.
  func command(_ fields: RowBuffer) throws(HostRefusal) -> OutboxEvent {
    if cell(.topic, fields) != nil { throw refuse("a command goes to its decider: it has no topic") }
    guard let type = try text(.type, fields, limit: Limits.typeBytesMax) else {
      throw refuse("a command needs a type")
    }
    let decider: DeciderDefinition
    do throws(EnvelopeFault) {
      decider = try Command.decider(of: String(decoding: type, as: UTF8.self), catalog: catalog)
    } catch {
      throw HostRefusal(code: error.code, message: error.reason)
    }
    var event = try made(type, in: .commands, fields)
    if let field = decider.keyField {
      do throws(EnvelopeFault) {
        event.key = try Command.streamKey(
          field, String(decoding: type, as: UTF8.self), event.data,
          ByteRange(start: 0, count: event.data.count))
      } catch {
        throw HostRefusal(code: error.code, message: error.reason)
      }
    }
    return event
  }

  private func refuse(_ message: String) -> HostRefusal {
    HostRefusal(code: RuntimeCode.emitRefused.rawValue, message: message)
  }

  private func cell(_ field: EmittedField, _ fields: RowBuffer) -> Cell? {
    let cell = fields.cells[field.rawValue]
    return cell.kind == .absent || cell.kind == .null ? nil : cell
  }

  private func bytes(_ field: EmittedField, _ fields: RowBuffer) -> [UInt8]? {
    guard let cell = cell(field, fields), cell.kind == .text || cell.kind == .blob else { return nil }
    return Array(fields.bytes[cell.part.indices])
  }

  /// A text field of 1 to `limit` bytes of UTF-8 without control characters, or nil when it is not given.
  private func text(
    _ field: EmittedField, _ fields: RowBuffer, limit: Int
  ) throws(HostRefusal) -> [UInt8]? {
    guard let cell = cell(field, fields) else { return nil }
    if cell.kind == .integer, field == .key || field == .id { return Array(String(cell.bits).utf8) }
    guard let bytes = bytes(field, fields) else { throw refuse("`\(field)` of an emitted event is a text") }
    guard (1...limit).contains(bytes.count) else {
      throw refuse("`\(field)` of an emitted event has 1 to \(limit) bytes, not \(bytes.count)")
    }
    guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }), String(validating: bytes, as: UTF8.self) != nil
    else {
      throw refuse("`\(field)` of an emitted event is UTF-8 without control characters")
    }
    return bytes
  }

  private func targetTopic(_ fields: RowBuffer) throws(HostRefusal) -> TopicName {
    guard let text = try text(.topic, fields, limit: Limits.topicNameBytesMax) else { return topic }
    let shown = String(decoding: text, as: UTF8.self)
    guard let name = TopicName(shown), !name.isSystem else {
      throw refuse("a topic name has A-Z a-z 0-9 . _ - and does not begin with _, unlike \"\(shown)\"")
    }
    return name
  }

  private func version(_ fields: RowBuffer, _ type: [UInt8]) throws(HostRefusal) -> UInt32 {
    guard let cell = cell(.version, fields) else {
      return catalog.newestVersion(ofType: String(decoding: type, as: UTF8.self))
    }
    guard cell.kind == .integer, (1...Int64(Limits.eventVersionMax)).contains(cell.bits) else {
      throw refuse("`version` of an emitted event is a whole number from 1 to \(Limits.eventVersionMax)")
    }
    return UInt32(cell.bits)
  }

  private func time(_ fields: RowBuffer) throws(HostRefusal) -> [UInt8] {
    guard let text = try text(.time, fields, limit: Limits.timeBytesMax) else {
      return Array(FaultReport.time(of: cause, in: batch).utf8)
    }
    guard EventTime(text, ByteRange(start: 0, count: text.count)) != nil else {
      throw refuse("`time` of an emitted event is RFC 3339, such as 2026-11-17T09:00:00Z")
    }
    return text
  }

  private func derivedID() -> [UInt8] {
    // A consumer of the same name has the same source, and what causes its events may have the command's id.
    let digest = (isDecision ? Digest.zero.adding("decider") : Digest.zero).adding(maker).adding(topic.text)
      .adding(batch.bytes, cause.envelope.source).adding(batch.bytes, cause.envelope.id)
      .adding(UInt64(ordinal))
    return Array("\(maker)-\(digest)".utf8)
  }

  /// What the cause says of its own depth, from 0 to `Limits.causationDepthMax`: anybody may have written it.
  private var causeDepth: Int {
    guard let part = JSONFields.value("causationdepth", batch.bytes, cause.envelope.meta),
      let written = Double(batch.bytes.text(part))
    else { return 0 }
    return Int(min(max(written, 0), Double(Limits.causationDepthMax)))
  }

  func meta(_ given: [UInt8]?) throws(HostRefusal) -> [UInt8] {
    let causeMeta = cause.envelope.meta
    let next = causeDepth + 1
    guard next <= catalog.defaults.causationDepth else {
      throw HostRefusal(
        code: RuntimeCode.causationDepth.rawValue,
        message: "a chain of events causing events is at most \(catalog.defaults.causationDepth) long")
    }
    var out = Array("{\"causationid\":".utf8)
    Self.append(id: Array(batch.bytes[cause.envelope.id.indices]), to: &out)
    let whole = given ?? []
    let wholeRange = ByteRange(start: 0, count: whole.count)
    if JSONFields.value("correlationid", whole, wholeRange) == nil {
      out += Array(",\"correlationid\":".utf8)
      if let known = JSONFields.value("correlationid", batch.bytes, causeMeta) {
        out += batch.bytes[known.indices]
      } else {
        Self.append(id: Array(batch.bytes[cause.envelope.id.indices]), to: &out)
      }
    }
    if JSONFields.value("traceparent", whole, wholeRange) == nil,
      let known = JSONFields.value("traceparent", batch.bytes, causeMeta)
    {
      out += Array(",\"traceparent\":".utf8) + batch.bytes[known.indices]
    }
    out += Array(",\"causationdepth\":\(next)".utf8)
    var fields = JSONFields(whole, wholeRange)
    while let member = fields.next() {
      let name = whole.text(member.name)
      if name == "causationid" || name == "causationdepth" { continue }
      out += Array(",\"".utf8) + whole[member.name.indices] + Array("\":".utf8) + whole[member.value.indices]
    }
    return out + [UInt8(ascii: "}")]
  }

  /// A JSON string of UTF-8 bytes.
  private static func append(id: [UInt8], to out: inout [UInt8]) {
    out.append(UInt8(ascii: "\""))
    for byte in id {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): out += [UInt8(ascii: "\\"), byte]
      case 0..<0x20:
        let digits = Array("0123456789abcdef".utf8)
        out += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: out.append(byte)
      }
    }
    out.append(UInt8(ascii: "\""))
  }
}

import MoontideCore
import MoontideJSON

/// An event that a line of Lua passes to a function: a table with the fields of an event, of which only
/// `type` is needed. Without padding no parser may read it, so it has a batch of its own.
struct DeskEvent {
  let batch = RecordBatch()
  let record: Record
  let topic: TopicName

  /// - Parameter version: of the type, when the table does not say.
  /// - Throws: what keeps it from being an event.
  init(
    _ value: JSONValue, version: (String) -> UInt32, now: EventTime
  ) throws(Diagnostic) {
    guard case .object = value, let type = value["type"]?.text, !type.isEmpty else {
      throw DeskEvent.wrong("an event is a table with a type: event(48211), or { type = …, data = { … } }")
    }
    let data = value["data"] ?? .object([])
    guard case .object = data else {
      throw DeskEvent.wrong("the data of an event is a table with named fields")
    }
    guard let topic = TopicName(value["topic"]?.text ?? "events") else {
      throw DeskEvent.wrong("“\(value["topic"]?.text ?? "")” is no topic")
    }
    let time = value["time"]?.text ?? now.description
    guard let instant = EventTime(time) else { throw DeskEvent.wrong("“\(time)” is no time of an event") }
    let id = DeskEvent.text(value["id"]) ?? "line"
    var envelope = Envelope(
      version: DeskEvent.number(value["version"]).map { UInt32(clamping: $0) } ?? version(type))
    envelope.timeMicroseconds = instant.microseconds
    envelope.id = batch.bytes.appendPart(id)
    envelope.source = batch.bytes.appendPart(DeskEvent.text(value["source"]) ?? "")
    envelope.type = batch.bytes.appendPart(type)
    envelope.key = batch.bytes.appendPart(DeskEvent.text(value["key"]) ?? id)
    envelope.time = batch.bytes.appendPart(time)
    envelope.data = batch.bytes.appendPart(data.compact)
    envelope.meta = batch.bytes.appendPart(value["meta"]?.compact ?? "")
    batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    let recorded = value["recorded"]?.text.flatMap { EventTime($0) } ?? now
    record = Record(
      position: Position(UInt64(clamping: DeskEvent.number(value["position"]) ?? 0)),
      offset: Offset(UInt64(clamping: DeskEvent.number(value["offset"]) ?? 0)), topic: TopicID(0),
      partition: UInt16(clamping: DeskEvent.number(value["partition"]) ?? 0),
      recordedMicroseconds: recorded.microseconds, envelope: envelope)
    self.topic = topic
  }

  /// A key or an id may be a whole number.
  static func text(_ value: JSONValue?) -> String? {
    if case .integer(let number)? = value { return String(number) }
    return value?.text
  }

  private static func number(_ value: JSONValue?) -> Int64? {
    if case .integer(let number)? = value { return number }
    return nil
  }

  static func wrong(_ text: String) -> Diagnostic {
    Diagnostic(
      code: RuntimeCode.runtimeError.rawValue, text,
      details: [.init("help", "= event(0) shows an event as handlers see it")])
  }
}

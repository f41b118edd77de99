import MoontideCore
import MoontideJSON
import MoontideLua

/// Values on their way to a line of Lua, and events out of one.
enum DeskValue {
  /// JSON as a value of Lua: arrays stay arrays, null the sentinel.
  static func json(_ value: JSONValue) -> [UInt8] {
    var out = StateWriter()
    add(value, to: &out)
    return out.bytes
  }

  static func add(_ value: JSONValue, to out: inout StateWriter) {
    switch value {
    case .null: out.null()
    case .boolean(let flag): out.boolean(flag)
    case .integer(let number): out.integer(number)
    case .number(let number): out.number(number)
    case .string(let text): out.text(text)
    case .array(let values):
      out.array(values.count)
      for value in values { add(value, to: &out) }
    case .object(let members):
      out.table(members.count)
      for member in members {
        out.text(member.name)
        add(member.value, to: &out)
      }
    }
  }

  /// A part of a batch that is JSON; an empty one is nothing.
  static func json(_ bytes: [UInt8], _ range: ByteRange) -> JSONValue? {
    guard !range.isEmpty else { return nil }
    do throws(EnvelopeFault) { return try JSONValue(parsing: bytes, range) } catch {
      // What the log holds was checked when it came; a text that no parser takes is shown as it is.
      return .string(bytes.text(range))
    }
  }

  static func object(_ members: [(String, JSONValue?)]) -> JSONValue {
    .object(members.compactMap { name, value in value.map { .init(name, $0) } })
  }

  /// An event as handlers see it.
  static func event(_ record: Record, in batch: RecordBatch, topic: TopicName) -> JSONValue {
    let envelope = record.envelope
    let bytes = batch.bytes
    let time = EventTime(microseconds: envelope.timeMicroseconds).description
    return object([
      ("id", .string(bytes.text(envelope.id))),
      ("source", envelope.source.isEmpty ? nil : .string(bytes.text(envelope.source))),
      ("type", .string(bytes.text(envelope.type))), ("version", .integer(Int64(envelope.version))),
      ("topic", .string(topic.text)), ("partition", .integer(Int64(record.partition))),
      ("offset", .integer(Int64(clamping: record.offset.value))),
      ("position", .integer(Int64(clamping: record.position.value))),
      ("key", .string(bytes.text(envelope.key))),
      ("time", .string(envelope.time.isEmpty ? time : bytes.text(envelope.time))),
      ("recorded", .string(EventTime(microseconds: record.recordedMicroseconds).description)),
      ("data", json(bytes, envelope.data)), ("meta", json(bytes, envelope.meta)),
    ])
  }

  /// What a script made: cells in the order of `EmittedField`, or of `ReshapedField`.
  static func made(_ cells: RowBuffer, _ names: [String], at first: Int = 0) -> JSONValue {
    object(
      names.enumerated().map { index, name in
        let cell = cells.cells[first + index]
        switch cell.kind {
        case .absent, .null: return (name, nil)
        case .integer: return (name, .integer(cell.bits))
        case .real: return (name, .number(cell.real))
        case .text, .blob:
          let isJSON = name == "data" || name == "meta"
          return (name, isJSON ? json(cells.bytes, cell.part) : .string(cells.bytes.text(cell.part)))
        }
      })
  }

  static let emitted = EmittedField.allCases.map { "\($0)" }
  static let reshaped = ReshapedField.allCases.map { "\($0)" }

  /// A row by its columns; NULL is left out, as scripts see it.
  static func row(_ cells: RowBuffer, _ names: [String], at first: Int = 0) -> JSONValue {
    object(names.enumerated().map { ($1, value(cells, first + $0)) })
  }

  private static func value(_ cells: RowBuffer, _ index: Int) -> JSONValue? {
    let cell = cells.cells[index]
    return switch cell.kind {
    case .absent, .null: nil
    case .integer: .integer(cell.bits)
    case .real: .number(cell.real)
    case .text, .blob: .string(cells.bytes.text(cell.part))
    }
  }

  /// The bytes of a state as a value.
  static func state(_ bytes: [UInt8]?) -> JSONValue? { bytes.flatMap { StateText.json($0) } }
}

import MoontideCore
import MoontideLua

/// Makes the events that an upcaster renames or splits one into, behind the bytes of its batch.
struct ReshapedEvents {
  let cause: Record
  let definition: UpcasterDefinition
  let batch: RecordBatch

  private static let width = ReshapedField.allCases.count

  /// Of the steps that the event goes through: who is concerned by it follows from these.
  private var shapes: ArraySlice<StepShape> {
    let first = definition.versions.lowerBound
    return definition.shapes.dropFirst(Int(max(cause.envelope.version, first) - first))
  }

  /// Nothing is left.
  func none() throws(LuaFault) -> [Record] {
    guard shapes.contains(where: { $0.drops || $0.isOpen }) else { throw unforeseen("drop()") }
    return []
  }

  func renamed(_ cells: RowBuffer) throws(LuaFault) -> Record { try event(cells, at: 0, ordinal: nil) }

  func parts(_ cells: RowBuffer) throws(LuaFault) -> [Record] {
    var made: [Record] = []
    for start in stride(from: 0, to: cells.cells.count, by: Self.width) {
      made.append(try event(cells, at: start, ordinal: made.count + 1))
    }
    return made
  }

  private func event(_ cells: RowBuffer, at start: Int, ordinal: Int?) throws(LuaFault) -> Record {
    func cell(_ field: ReshapedField) -> Cell? {
      let cell = cells.cells[start + field.rawValue]
      return cell.kind == .absent ? nil : cell
    }
    guard let type = cell(.type), let data = cell(.data) else {
      preconditionFailure("an event without type and data came from C")
    }
    try check(cells.bytes, type.part, "type", limit: Limits.typeBytesMax)
    let name = cells.bytes.text(type.part)
    let version = try version(cell(.version))
    let isForeseen = shapes.contains { shape in
      shape.isOpen || shape.targets.contains { $0.type == name && $0.version ?? version == version }
    }
    guard isForeseen else { throw unforeseen("\(name) of version \(version)") }
    var record = cause
    record.envelope.version = version
    batch.bytes.removeLast(Limits.parserPaddingBytes)
    defer { batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes)) }
    record.envelope.type = batch.bytes.appendPart(cells.bytes, type.part)
    record.envelope.data = batch.bytes.appendPart(cells.bytes, data.part)
    if let ordinal {
      let begin = batch.bytes.count
      // Of a copy: appending the batch's bytes to themselves would copy all of them first.
      batch.bytes.append(contentsOf: Array(batch.bytes[cause.envelope.id.indices]))
      batch.bytes.appendPart("~\(ordinal)")
      record.envelope.id = ByteRange(start: begin, count: batch.bytes.count - begin)
    }
    if let key = cell(.key) {
      try check(cells.bytes, key.part, "key", limit: Limits.identityBytesMax)
      record.envelope.key = batch.bytes.appendPart(cells.bytes, key.part)
    }
    if let time = cell(.time) {
      guard let instant = EventTime(cells.bytes, time.part) else {
        throw fault("the time of an event is RFC 3339, such as 2026-11-17T09:00:00Z")
      }
      record.envelope.time = batch.bytes.appendPart(cells.bytes, time.part)
      record.envelope.timeMicroseconds = instant.microseconds
    }
    if let meta = cell(.meta) { record.envelope.meta = batch.bytes.appendPart(cells.bytes, meta.part) }
    return record
  }

  private func version(_ cell: Cell?) throws(LuaFault) -> UInt32 {
    guard let cell else { return 1 }
    guard (1...Int64(Limits.eventVersionMax)).contains(cell.bits) else {
      throw fault("the version of an event is from 1 to \(Limits.eventVersionMax), not \(cell.bits)")
    }
    return UInt32(cell.bits)
  }

  private func check(
    _ bytes: [UInt8], _ part: ByteRange, _ field: String, limit: Int
  ) throws(LuaFault) {
    let text = bytes[part.indices]
    guard (1...limit).contains(text.count) else {
      throw fault("the \(field) of an event has 1 to \(limit) bytes, not \(text.count)")
    }
    guard text.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }), String(validating: text, as: UTF8.self) != nil else {
      throw fault("the \(field) of an event is UTF-8 without control characters")
    }
  }

  /// Who reads was chosen by the text of the upcaster: going on would keep the event from somebody.
  private func unforeseen(_ what: String) -> LuaFault {
    LuaFault(
      kind: .refused(code: RuntimeCode.upcasterUnforeseen.rawValue),
      message: "upcaster \(definition.type): made \(what), which its text does not show: write "
        + "rename(\"Type\", data), split { events.Type(data) } or drop() into the step",
      path: definition.path, line: definition.place.line)
  }

  private func fault(_ message: String) -> LuaFault {
    LuaFault(
      kind: .runtime, message: "upcaster \(definition.type): \(message)", path: definition.path,
      line: definition.place.line)
  }
}

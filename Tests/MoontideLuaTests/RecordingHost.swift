import MoontideCore

@testable import MoontideLua

/// A host that remembers what it was asked, and answers what it was told.
final class RecordingHost: LuaHost {
  var timeLeft = Duration.zero
  struct RowCall: Equatable {
    var operation: RowOperation
    var table: Int
    var cells: [String]
  }

  var rows: [RowCall] = []
  var answers: [[Cell]] = []
  var answerBytes: [UInt8] = []
  var found = true
  var statements: [String] = []
  var columns: [String] = []
  var state: [UInt8]?
  var saves: [[UInt8]?] = []
  var emitted: [[String]] = []
  var sent: [[String]] = []
  var effects: [(kind: String, request: [UInt8])] = []
  /// What effects may refer to.
  var names: Set<String> = []
  var lines: [String] = []
  var missed: [String] = []
  var refusal: HostRefusal?

  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(HostRefusal) -> Bool {
    if let refusal { throw refusal }
    rows.append(RowCall(operation: operation, table: table, cells: RecordingHost.show(arguments)))
    for answer in answers { result.cells += answer }
    result.bytes = answerBytes
    return found
  }

  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(HostRefusal) -> [String] {
    if let refusal { throw refusal }
    statements.append(([text] + RecordingHost.show(arguments)).joined(separator: "|"))
    for answer in answers { result.cells += answer }
    result.bytes = answerBytes
    return columns
  }

  func loadState(into buffer: RowBuffer) throws(HostRefusal) -> Bool {
    if let refusal { throw refusal }
    guard let state else { return false }
    buffer.bytes += state
    return true
  }

  func saveState(_ value: [UInt8]?) throws(HostRefusal) {
    if let refusal { throw refusal }
    saves.append(value)
    state = value
  }

  func emit(_ event: RowBuffer, result: RowBuffer) throws(HostRefusal) {
    if let refusal { throw refusal }
    emitted.append(RecordingHost.show(event))
    result.append(text: "made-\(emitted.count)")
  }

  func send(_ command: RowBuffer, result: RowBuffer) throws(HostRefusal) {
    if let refusal { throw refusal }
    sent.append(RecordingHost.show(command))
    result.append(text: "sent-\(sent.count)")
  }

  func effect(_ kind: String, request: [UInt8], result: RowBuffer) throws(HostRefusal) {
    if let refusal { throw refusal }
    effects.append((kind, request))
    result.append(text: "key-\(effects.count)")
  }

  func environment(_ name: String) throws(HostRefusal) {
    if !names.contains(name) { throw HostRefusal(code: "E0370", message: "no \(name)") }
  }

  func print(_ text: [UInt8]) { lines.append(String(decoding: text, as: UTF8.self)) }

  func missing(field: [UInt8], type: [UInt8]) {
    missed.append(String(decoding: type + Array(".".utf8) + field, as: UTF8.self))
  }

  /// One text per cell, its kind visible.
  static func show(_ buffer: RowBuffer) -> [String] {
    buffer.cells.map { cell in
      switch cell.kind {
      case .absent: "-"
      case .null: "null"
      case .integer: "\(cell.bits)"
      case .real: "\(cell.real)f"
      case .text, .blob: "'\(buffer.bytes.text(cell.part))'"
      }
    }
  }
}

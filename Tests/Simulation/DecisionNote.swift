import MoontideCore

/// A decision about dead letters, as the log has it.
struct DecisionNote {
  /// Its position.
  var place: UInt64
  var handler: String
  /// The record's type.
  var action: String
  /// The events that are meant.
  var positions: [UInt64]
  /// Of a correction.
  var data: String

  static let retry = "DeadLettersRetried"
  static let skip = "DeadLettersSkipped"
  static let correct = "DeadLetterCorrected"

  /// Whether it says what becomes of an event, and not only when.
  var isRuling: Bool { action != DecisionNote.retry }

  /// Nil for a record that is no decision. Read by itself, not by the code that is judged.
  init?(_ record: LogWitness.Seen) {
    guard record.kind == .decision else { return nil }
    place = record.position
    handler = record.key
    action = record.type
    let list = record.data.drop { $0 != "[" }.dropFirst().prefix { $0 != "]" }
    positions = list.split(separator: ",").compactMap { UInt64($0) }
    let start = Array("],\"data\":".utf8)
    let bytes = Array(record.data.utf8)
    let found = bytes.indices.first { bytes[$0...].starts(with: start) }
    data = found.map { String(decoding: bytes[($0 + start.count)...].dropLast(), as: UTF8.self) } ?? ""
  }

  /// Those of one handler, in the order of the log.
  static func all(of handler: String, in records: [LogWitness.Seen]) -> [DecisionNote] {
    records.compactMap { DecisionNote($0) }.filter { $0.handler == handler }
  }
}

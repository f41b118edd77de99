import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// `sys.dead_letters`: what handlers could not apply, then lines that are no events.
struct DeadLetterTable {
  let survey: HandlerSurvey
  let log: any EventLog

  static let columns: [SystemColumn] = [
    .init("id", .text), .init("handler", .text), .init("position", .integer), .init("topic", .text),
    .init("partition", .integer), .init("offset", .integer), .init("key", .text), .init("event_id", .text),
    .init("type", .text), .init("version", .integer), .init("time", .text), .init("code", .text),
    .init("error", .text), .init("file", .text), .init("line", .integer), .init("place", .text),
    .init("attempts", .integer), .init("held", .integer), .init("script", .text), .init("raw", .text),
    .init("fault", .text), .init("mended", .integer), .init("decision", .text), .init("correction", .text),
    .init("excerpt", .text),
  ]

  func rows() throws(Diagnostic) -> [[SystemValue]] {
    var rows: [[SystemValue]] = []
    for entry in try survey.entries() where !entry.deadLetters.isEmpty {
      let decided = try decisions(entry)
      let held = Dictionary(
        entry.ledger.parked.map { ($0.position, $0.held.count) }, uniquingKeysWith: { first, _ in first })
      for letter in entry.deadLetters {
        rows.append(row(letter, entry, held: held[letter.position] ?? 0, decided[letter.position]))
      }
    }
    for line in try QuarantineReader(log: log).lines() { rows.append(DeadLetterTable.row(line)) }
    return rows
  }

  /// The last decision about each event that its handler's file does not follow yet, or that was no help.
  private func decisions(_ entry: HandlerSurvey.Entry) throws(Diagnostic) -> [Position: Decision] {
    guard let definition = entry.definition else { return [:] }
    let all = try LogError.told { () throws(LogError) in
      try Decision.all(of: definition.identityName, from: log)
    }
    var last: [Position: Decision] = [:]
    for (decision, _) in all { for position in decision.positions { last[position] = decision } }
    return last
  }

  private func row(
    _ letter: DeadLetter, _ entry: HandlerSurvey.Entry, held: Int, _ decision: Decision?
  ) -> [SystemValue] {
    let handler = entry.identity.handler
    let isMended = entry.definition.map { $0.scriptVersion != letter.scriptVersion } ?? false
    let correction = decision?.action == .correct ? decision?.data : nil
    return [
      .text("d-\(letter.position.value)"), .text(handler), .number(letter.position.value),
      .text(letter.topic.text), .integer(Int64(letter.partition)), .number(letter.offset.value),
      .text(String(decoding: letter.key, as: UTF8.self)),
      .text(String(decoding: letter.eventID, as: UTF8.self)),
      .text(letter.eventType), .integer(Int64(letter.eventVersion)), .text(letter.eventTime),
      .text(letter.code), .text(letter.message), .text(letter.file), .integer(Int64(letter.line)),
      .text(letter.line > 0 ? "\(letter.file):\(letter.line)" : letter.file),
      .integer(Int64(letter.attempts)), .integer(Int64(held)), .text(letter.scriptVersion), .null,
      .text(FaultGroup.name(handler: handler, letter)), .integer(isMended ? 1 : 0),
      decision.map { .text($0.action.word) } ?? .null,
      correction.map { .text(String(decoding: $0, as: UTF8.self)) } ?? .null,
      survey.excerpt(letter).map { .text($0) } ?? .null,
    ]
  }

  private static func row(_ line: QuarantineReader.Line) -> [SystemValue] {
    let note = line.note
    return [
      .text(line.id), .text("ingest"), .number(line.position.value), .text(TopicName.quarantine.text),
      .integer(Int64(line.partition)), .number(line.offset.value), .null, .null, .null, .null,
      .text(line.recorded.description), .text(note.code), .text(note.reason), .text(note.file),
      .number(note.line), .text("\(note.file):\(note.line)"), .integer(1), .integer(0), .null,
      .text(note.rawText), .text(line.fault), .integer(0), .null, .null, .null,
    ]
  }
}

extension Decision.Action {
  /// As commands name it.
  var word: String {
    switch self {
    case .retry: "retry"
    case .skip: "skip"
    case .correct: "edit"
    case .settle: "settle"
    }
  }
}

extension HandlerSurvey {
  /// The line of the script as it is now; nil when it was edited since, or is not known.
  func excerpt(_ letter: DeadLetter) -> String? {
    guard letter.line > 0, let text = catalog.scripts.place(path: letter.file, line: letter.line).excerpt,
      catalog.definitions.contains(where: { $0.scriptVersion == letter.scriptVersion })
    else { return nil }
    return text
  }
}

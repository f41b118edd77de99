import MoontideCore
import MoontideLua

/// Turns a fault of Lua into what a person reads. It never shows a value of the payload.
struct FaultReport {
  let definition: HandlerDefinition
  let scripts: ScriptLibrary
  let upcasters: [String: UpcasterDefinition]

  /// A script that did not load.
  static func loading(_ fault: LuaFault, path: String, scripts: ScriptLibrary) -> Diagnostic {
    let code: RuntimeCode
    switch fault.kind {
    case .syntax: code = .syntax
    case .instructionBudget, .timeBudget, .memoryBudget: code = .loadBudget
    case .runtime, .refused: code = .loadFailed
    }
    let text = fault.kind == .syntax ? "syntax error: \(fault.message)" : fault.message
    let place =
      fault.line.map {
        scripts.place(path: fault.path ?? path, line: $0, blaming: fault.blamed ?? nearToken(fault.message))
      } ?? SourcePlace(file: fault.path ?? path, line: 1)
    let problem = Diagnostic(code: code.rawValue, text, at: place)
    return problem.adding("help", suggestion(fault.message) ?? code.explanation)
  }

  /// What a file may call while it is loaded, beside Lua's own functions.
  private static let constructors = [
    "projection", "consumer", "upcaster", "decider", "saga", "events", "commands", "require", "string",
    "table", "math",
  ]

  /// What was probably meant by a global that is not there, or by a module.
  private static func suggestion(_ message: String) -> String? {
    if message.hasPrefix("require: ") {
      return "a module is a file under lib/: lib/money.lua is require \"lib.money\""
    }
    let start = "attempt to call a nil value (global '"
    guard message.hasPrefix(start), message.hasSuffix("')") else { return nil }
    let name = String(message.dropFirst(start.count).dropLast(2))
    return Suggestion.nearest(to: name, among: constructors).map { "did you mean `\($0)`?" }
  }

  /// The token that a syntax error names: `… near 'x'`.
  private static func nearToken(_ message: String) -> String? {
    var rest = message[...]
    while !rest.isEmpty, !rest.hasPrefix("near '") { rest = rest.dropFirst() }
    return rest.isEmpty || !rest.hasSuffix("'") ? nil : String(rest.dropFirst(6).dropLast())
  }

  /// A failed event.
  /// - Parameters:
  ///   - seen: the event as the script saw it, when upcasters made it of the stored one.
  ///   - plan: what becomes of it.
  ///   - state: the same in one line.
  func failure(
    _ fault: LuaFault, record: Record, seen: Record? = nil, in batch: RecordBatch, topic: TopicName,
    plan: FailurePlan,
    state: String
  ) -> Diagnostic {
    let bytes = batch.bytes
    let envelope = record.envelope
    let type = bytes.text(envelope.type)
    let code = RuntimeCode.text(of: fault.kind)
    let place = fault.path.flatMap { path in
      fault.line.map { scripts.place(path: path, line: $0, blaming: fault.blamed, label: Self.label(fault)) }
    }
    let title = "\(definition.kind.rawValue) \(definition.name) failed on \(type): \(fault.message)"
    var diagnostic = Diagnostic(code: code, title, at: place)
    diagnostic =
      diagnostic
      .adding(
        "event",
        "\(topic)/\(record.partition)@\(record.offset) (\(record.position)) · "
          + "id \(bytes.text(envelope.id)) · \(type) v\(envelope.version) · "
          + "key \(bytes.text(envelope.key)) · " + Self.time(of: record, in: batch)
      )
      .adding("note", note(record, seen ?? record, in: batch, type: type))
      .adding("state", state)
    // There is no dead letter to show while it is tried again.
    let show = plan == .park ? "" : "moontide dead show d-\(record.position.value) · "
    return diagnostic.adding("help", "\(show)moontide explain \(code)")
  }

  /// What becomes of an event, for people.
  func outcome(_ plan: FailurePlan, attempts: Int, key: String, position: Position, held: Int) -> String {
    let asked = definition.exhausted == .halt ? "at a new start" : "asked for by a person"
    let tried =
      attempts > definition.retry.attempts
      ? "attempt \(attempts), \(asked)" : "attempt \(attempts) of \(definition.retry.attempts)"
    let letter = "dead letter d-\(position.value)"
    switch plan {
    case .setAside: return "\(letter); the read model is degraded since \(position) until it is rebuilt"
    case .park: return "\(tried); key \(key) waits for the next, other keys go on"
    case .deadAndHold:
      let events: String
      switch held {
      case 0: events = "later events of key \(key) will be held"
      case 1: events = "1 later event of key \(key) is held"
      default: events = "\(held) later events of key \(key) are held"
      }
      return "\(tried) → \(letter); \(events), other keys go on"
    case .deadAndGoOn: return "\(tried) → \(letter); key \(key) goes on"
    case .halt:
      let reason = "\(letter); the handler stopped here, as exhausted = \"halt\" says"
      return definition.kind == .projection ? reason : "\(tried) → \(reason)"
    }
  }

  private func note(_ record: Record, _ seen: Record, in batch: RecordBatch, type: String) -> String {
    let names = JSONFields.names(batch.bytes, seen.envelope.data).sorted()
    let now = batch.bytes.text(seen.envelope.type)
    let isSame = now == type && seen.envelope.version == record.envelope.version
    let fields =
      (isSame ? "" : "it is seen as \(now) v\(seen.envelope.version); ")
      + (names.isEmpty ? "event.data is empty" : "event.data has: \(names.joined(separator: ", "))")
    guard let upcaster = upcasters[type], record.envelope.version < upcaster.versions.lowerBound else {
      return fields
    }
    return fields + "; no upcaster leads from version \(record.envelope.version) to \(upcaster.newest)"
  }

  /// What to write beside the caret.
  private static func label(_ fault: LuaFault) -> String {
    for kind in ["nil", "number", "string", "boolean", "function", "table"]
    where fault.message.contains("a \(kind) value") {
      return "\(kind) here"
    }
    return ""
  }

  static func time(of record: Record, in batch: RecordBatch) -> String {
    record.envelope.time.isEmpty
      ? EventTime(microseconds: record.envelope.timeMicroseconds).description
      : batch.bytes.text(record.envelope.time)
  }

  /// What is kept of a failed event.
  func deadLetter(
    _ fault: LuaFault, record: Record, in batch: RecordBatch, topic: TopicName, attempts: Int
  ) -> DeadLetter {
    let bytes = batch.bytes
    let envelope = record.envelope
    return DeadLetter(
      position: record.position, topic: topic, partition: record.partition, offset: record.offset,
      key: Array(bytes[envelope.key.indices]), eventID: Array(bytes[envelope.id.indices]),
      eventType: bytes.text(envelope.type), eventVersion: envelope.version,
      eventTime: Self.time(of: record, in: batch), code: RuntimeCode.text(of: fault.kind),
      message: fault.message, file: fault.path ?? "", line: fault.line ?? 0, attempts: attempts,
      scriptVersion: definition.scriptVersion)
  }
}

import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// `sys.effects`: the ledgers of all consumers. No value of the environment is in it: requests show
/// references as `${NAME}`.
final class EffectsTable: SystemTable {
  let name = "effects"
  let columns: [SystemColumn] = [
    .init("key", .text), .init("handler", .text), .init("number", .integer), .init("kind", .text),
    .init("target", .text), .init("state", .text), .init("topic", .text), .init("event_key", .text),
    .init("position", .integer), .init("attempts", .integer), .init("round", .integer), .init("due", .text),
    .init("ended", .text), .init("error", .text), .init("result", .text), .init("request", .text),
    .init("version", .text),
  ]
  private enum Column {
    static let key = 0
    static let state = 5
    static let result: UInt64 = 14
    static let request: UInt64 = 15
  }

  private let survey: HandlerSurvey
  private let fault: TableFault

  init(_ survey: HandlerSurvey, _ fault: TableFault) {
    self.survey = survey
    self.fault = fault
  }

  func plan(_ conditions: [SystemCondition]) -> SystemPlan {
    let chosen = conditions.indices.filter { index in
      conditions[index].comparison == .equal && [Column.key, Column.state].contains(conditions[index].column)
    }
    let isOne = chosen.contains { conditions[$0].column == Column.key }
    return SystemPlan(chosen: chosen, rows: isOne ? 1 : chosen.isEmpty ? 100_000 : 1_000)
  }

  func open(
    _ conditions: [(condition: SystemCondition, value: SystemValue)], columnsUsed: UInt64
  ) throws(StoreError) -> any SystemCursor {
    var selection = LedgerSelection()
    for (condition, value) in conditions {
      guard case .text(let text) = value else { return RowListCursor([]) }
      if condition.column == Column.key {
        selection.key = text
      } else {
        selection.statuses = Set(EffectStatus.shown(as: text))
      }
    }
    selection.withResults = columnsUsed & (1 << Column.result) != 0
    selection.withRequests = columnsUsed & (1 << Column.request) != 0
    let rows = try fault.stored { () throws(Diagnostic) in try survey.effects(selection).map { row($0) } }
    return RowListCursor(rows)
  }

  private func row(_ entry: HandlerSurvey.EffectEntry) -> [SystemValue] {
    let effect = entry.effect
    return [
      .text(effect.key), .text(entry.handler), .number(effect.sequence), .text(effect.kind.rawValue),
      .text(effect.target), .text(entry.isInFlight ? "in flight" : effect.status.word),
      .text(effect.topic.text), .text(String(decoding: effect.orderKey, as: UTF8.self)),
      .number(effect.cause.value), .integer(Int64(effect.attempts)), .integer(Int64(effect.round)),
      time(effect.dueMicroseconds), time(effect.endedMicroseconds),
      effect.error.isEmpty ? .null : .text(effect.error),
      effect.result.isEmpty ? .null : .text(String(decoding: effect.result, as: UTF8.self)),
      effect.request.isEmpty
        ? .null : .text(String(decoding: EffectTemplate(effect.request).shown, as: UTF8.self)),
      effect.scriptVersion.isEmpty ? .null : .text(effect.scriptVersion),
    ]
  }

  private func time(_ microseconds: Int64) -> SystemValue {
    microseconds == 0 ? .null : .text(EventTime(microseconds: microseconds).description)
  }
}

extension EffectStatus {
  /// Those that may be shown by that word.
  static func shown(as word: String) -> [EffectStatus] {
    switch word {
    case "due": [.waiting]
    case "failed": [.failed]
    case "in flight": [.waiting, .failed]
    case "done": [.done]
    case "dead": [.dead]
    default: []
    }
  }

  /// As people read it.
  var word: String {
    switch self {
    case .waiting: "due"
    case .failed: "failed"
    case .done: "done"
    case .dead: "dead"
    }
  }
}

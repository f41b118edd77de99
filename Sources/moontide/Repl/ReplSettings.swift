import MoontideCore
import MoontideHost

/// What dot commands change for the rest of a session. Nothing of it is kept.
struct ReplSettings {
  var mode: OutputFormat
  var timer = false
  var timeout = Limits.queryTimeDefault
  /// As typed, and what it means.
  var asOf: (text: String, moment: LogMoment)?
  var asKnown: (text: String, moment: LogMoment)?
  /// By name.
  var attached: [String: (text: String, moment: PastMoment)] = [:]

  init(mode: OutputFormat) { self.mode = mode }

  /// Nil: the present.
  var moment: PastMoment? {
    guard asOf != nil || asKnown != nil else { return nil }
    return PastMoment(asOf: asOf?.moment, asKnown: asKnown?.moment)
  }

  /// `shop> `, `shop @2026-11-17> `
  func prompt(_ project: String) -> String {
    var text = project
    if let asOf { text += " @" + ReplSettings.short(asOf.moment, asOf.text) }
    if let asKnown { text += " known@" + ReplSettings.short(asKnown.moment, asKnown.text) }
    return text + "> "
  }

  /// A day by its date, another instant by its second, a record as it was typed.
  private static func short(_ moment: LogMoment, _ typed: String) -> String {
    guard case .instant(let time) = moment else { return typed }
    let text = time.description
    if text.hasSuffix("T23:59:59.999999Z") { return String(text.prefix(10)) }
    return text.prefix { $0 != "." && $0 != "Z" } + "Z"
  }

  /// As wide as the prompt, for the lines that follow the first.
  func continuation(_ project: String) -> String {
    let width = DisplayText.width(prompt(project))
    return String(repeating: " ", count: max(0, width - 5)) + "...> "
  }

  func question(_ sql: String, _ last: KeptRows?) -> ReplQuestion {
    var question = ReplQuestion(sql, timeout: timeout)
    question.moment = moment
    question.attached = attached.mapValues(\.moment)
    question.last = last
    return question
  }
}

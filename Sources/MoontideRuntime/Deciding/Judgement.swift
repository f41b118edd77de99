import MoontideCore
import MoontideLua

/// What a decider made of a command, before it is written.
struct Judgement {
  /// The stream that it was made on.
  var stream: StreamState
  /// The stream with the events.
  var after: StreamState
  /// False when the stream's events do not fold: then only its version is known.
  var isFolded = true
  var verdict = CommandOutcome.Verdict.accepted
  var events: [OutboxEvent] = []
  /// Those of them whose ids the script gave.
  var named: [OutboxEvent] = []
  private(set) var code = ""
  private(set) var text = ""
  private(set) var fault: LuaFault?

  init(on stream: StreamState) {
    self.stream = stream
    after = stream
  }

  mutating func fail(_ fault: LuaFault, _ place: String = "") {
    verdict = .failed
    events = []
    named = []
    after = stream
    code = RuntimeCode.text(of: fault.kind)
    var text = place.isEmpty ? fault.message : "\(place): \(fault.message)"
    if let path = fault.path, let line = fault.line { text += " (\(path):\(line))" }
    self.text = Self.bounded(text, Limits.errorTextBytesMax)
    self.fault = fault
  }

  mutating func reject(_ code: String, _ text: String) {
    verdict = .rejected
    events = []
    named = []
    after = stream
    self.code = Self.bounded(code, Limits.typeBytesMax)
    self.text = Self.bounded(text, Limits.errorTextBytesMax)
  }

  /// Who reads an answer wants its beginning; the log wants an end of it.
  private static func bounded(_ text: String, _ limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var count = 0
    let kept = text.prefix { character in
      count += character.utf8.count
      return count <= limit - 3
    }
    return kept + "…"
  }
}

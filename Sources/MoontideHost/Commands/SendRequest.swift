public import MoontideCore
import MoontideJSON
import MoontideRuntime

/// A command on its way to its decider.
public struct SendRequest: Sendable, Hashable {
  /// The command as an envelope line, see `Command.complete`.
  public var line: [UInt8]
  /// Decided only when its stream has exactly so many events, else rejected.
  public var expectedVersion: Int?
  /// How long to wait for the decision.
  public var timeout: Duration
  /// Whether the answer has the states before and after, each of which may be large.
  public var explain: Bool

  public init(
    line: [UInt8], expectedVersion: Int? = nil, timeout: Duration = Limits.queryTimeDefault,
    explain: Bool = false
  ) {
    self.line = line
    self.expectedVersion = expectedVersion
    self.timeout = timeout
    self.explain = explain
  }
}

/// What a decider answered; durable.
public struct SendOutcome: Sendable, Hashable {
  /// `accepted`, `rejected` or `failed`.
  public enum Verdict: String, Sendable, Hashable { case accepted, rejected, failed }

  /// What a person hears of a decision beside its outcome.
  public enum Told: Sendable, Hashable {
    case problem(Diagnostic)
    /// With the coordinates of its command.
    case printed(String)
  }

  public var verdict: Verdict
  /// Of the command.
  public var id: String
  public var decider: String
  /// The stream: topic and key.
  public var topic: String
  public var key: String
  /// The events of the stream after the decision.
  public var version: Int
  /// Id and type of each event that was made, in order.
  public var events: [(id: String, type: String)]
  /// Why not; empty when accepted.
  public var code: String
  public var text: String
  /// Everything that the command caused lies before this position: the token of `query --after`.
  public var token: Position
  /// The command was decided before, and this is the answer that it got.
  public var isRepeat: Bool
  /// What the script printed and failed with, when this process decided; a run tells it itself.
  public var told: [Told] = []
  /// The state before and after, as JSON; nil for a stream that the script has not touched, for a repeat, and
  /// when nobody asked to explain.
  public var before: String?
  public var after: String?

  public static func == (a: SendOutcome, b: SendOutcome) -> Bool {
    a.token == b.token && a.verdict == b.verdict && a.isRepeat == b.isRepeat
  }
  public func hash(into hasher: inout Hasher) { hasher.combine(token.value) }
}

extension SendOutcome {
  /// - Parameter explain: whether the states are of interest.
  init(_ outcome: CommandOutcome, _ explanation: CommandExplanation?, id: [UInt8], explain: Bool) {
    self.id = String(decoding: id, as: UTF8.self)
    verdict =
      switch outcome.verdict {
      case .accepted: .accepted
      case .rejected: .rejected
      case .failed: .failed
      }
    decider = outcome.decider
    topic = outcome.topic
    key = outcome.key
    version = outcome.version
    events = outcome.events.map { ($0.id, $0.type) }
    code = outcome.code
    text = outcome.text
    token = outcome.position.next
    isRepeat = explanation?.isRepeat ?? false
    guard explain else { return }
    before = explanation?.before.flatMap { StateText.json($0)?.compact }
    after = explanation?.after.flatMap { StateText.json($0)?.compact }
  }
}

extension WireFrame {
  init(_ request: SendRequest) {
    self.init(.send)
    put(request.line)
    put(Int64(request.expectedVersion ?? -1))
    put(Int64(request.timeout / .milliseconds(1)))
    put(request.explain ? 1 : 0)
  }

  mutating func sendRequest() -> SendRequest? {
    guard let line = bytes(), let expected = number(), let timeout = number(), let explain = number() else {
      return nil
    }
    return SendRequest(
      line: Array(line), expectedVersion: expected < 0 ? nil : Int(expected), timeout: .milliseconds(timeout),
      explain: explain == 1)
  }

  init(_ outcome: SendOutcome) {
    self.init(.decided)
    for text in [
      outcome.verdict.rawValue, outcome.id, outcome.decider, outcome.topic, outcome.key, outcome.code,
      outcome.text,
      outcome.before ?? "", outcome.after ?? "",
    ] { put(text) }
    put(Int64(outcome.version))
    put(Int64(bitPattern: outcome.token.value))
    put(outcome.isRepeat ? 1 : 0)
    put(Int64(outcome.events.count))
    for event in outcome.events {
      put(event.id)
      put(event.type)
    }
  }

  mutating func sendOutcome() -> SendOutcome? {
    guard let verdict = text().flatMap(SendOutcome.Verdict.init), let id = text(), let decider = text(),
      let topic = text(),
      let key = text(), let code = text(), let reason = text(), let before = text(), let after = text(),
      let version = number(), let token = number(), let isRepeat = number(), let count = number()
    else { return nil }
    var events: [(id: String, type: String)] = []
    for _ in 0..<max(0, count) {
      guard let id = text(), let type = text() else { return nil }
      events.append((id, type))
    }
    return SendOutcome(
      verdict: verdict, id: id, decider: decider, topic: topic, key: key, version: Int(version),
      events: events,
      code: code, text: reason, token: Position(UInt64(bitPattern: token)), isRepeat: isRepeat == 1,
      before: before.isEmpty ? nil : before, after: after.isEmpty ? nil : after)
  }
}

extension Diagnostic {
  /// Whether a command was refused for itself: it is none, or its id names another one. The next one may
  /// well be taken.
  public var isOfCommandAlone: Bool {
    code.hasPrefix("E02") || code == RuntimeCode.commandConflict.rawValue
  }
}

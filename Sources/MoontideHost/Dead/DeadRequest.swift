import MoontideCore

/// What a person asks to be done about dead letters and quarantined lines.
public struct DeadRequest: Sendable, Hashable {
  public enum Action: Int64, Sendable, Hashable {
    case retry = 1
    case skip = 2
    /// Retry with other data.
    case correct = 3
  }

  public var action: Action
  /// Ids (`d-48211` of every handler, `d-48211@receipts` of one), groups (`g-…` as `dead ls` shows them)
  /// and names of handlers; empty: all.
  public var names: [String]
  /// Why, for those who come later.
  public var reason: String
  /// Of a correction: a JSON object in the place of the event's `data`; of a line the whole line.
  public var data: [UInt8]
  /// Decide nothing; say what would happen.
  public var rehearses: Bool

  public init(
    _ action: Action, _ names: [String], reason: String = "", data: [UInt8] = [], rehearses: Bool = false
  ) {
    self.action = action
    self.names = names
    self.reason = reason
    self.data = data
    self.rehearses = rehearses
  }

  /// Of the answer: which letter, whose, what became of it (`applied`, `skipped`, `taken`, `dead`, `bad`,
  /// `retrying`, `waits`, `rebuilding`, `to be rebuilt`, `refused`; of a rehearsal `would …` and rows), and
  /// more in words.
  public static let columns = ["id", "handler", "result", "detail"]
}

extension WireFrame {
  init(_ request: DeadRequest) {
    self.init(.dead)
    put(request.action.rawValue)
    put(request.rehearses ? 1 : 0)
    put(request.reason)
    put(request.data)
    put(Int64(request.names.count))
    for name in request.names { put(name) }
  }

  mutating func deadRequest() -> DeadRequest? {
    guard let action = number().flatMap(DeadRequest.Action.init), let rehearses = number(),
      let reason = text(), let data = bytes(), let count = number()
    else { return nil }
    var names: [String] = []
    for _ in 0..<max(0, count) {
      guard let name = text() else { return nil }
      names.append(name)
    }
    return DeadRequest(action, names, reason: reason, data: Array(data), rehearses: rehearses == 1)
  }
}

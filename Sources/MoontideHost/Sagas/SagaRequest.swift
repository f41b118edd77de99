import MoontideCore

/// What a person asks to be done about instances of a saga.
public struct SagaRequest: Sendable, Hashable {
  public enum Action: Int64, Sendable, Hashable {
    /// Try again what is stuck.
    case retry = 1
    /// Give running ones up: what was done is undone.
    case cancel = 2
  }

  public var action: Action
  /// Nil where the project has one saga.
  public var saga: String?
  /// Correlation values; empty, of a retry: all that are stuck.
  public var keys: [String]
  /// Why; `compensated` of a cancelled instance gets it.
  public var reason: String

  public init(_ action: Action, saga: String? = nil, keys: [String], reason: String = "") {
    self.action = action
    self.saga = saga
    self.keys = keys
    self.reason = reason
  }

  /// Of the answer: whose, which, how it stood and how it stands now.
  public static let columns = ["saga", "key", "was", "status"]
}

extension WireFrame {
  init(_ request: SagaRequest) {
    self.init(.saga)
    put(request.action.rawValue)
    put(request.saga ?? "")
    put(request.reason)
    put(Int64(request.keys.count))
    for key in request.keys { put(key) }
  }

  mutating func sagaRequest() -> SagaRequest? {
    guard let action = number().flatMap(SagaRequest.Action.init), let saga = text(), let reason = text(),
      let count = number()
    else { return nil }
    var keys: [String] = []
    for _ in 0..<max(0, count) {
      guard let key = text() else { return nil }
      keys.append(key)
    }
    return SagaRequest(action, saga: saga.isEmpty ? nil : saga, keys: keys, reason: reason)
  }
}

import MoontideCore

/// What a person asks to be performed again: effects that ended, under the keys that they have.
public struct EffectsRequest: Sendable, Hashable {
  /// Keys of effects, and names of handlers, which stand for their dead effects; empty: all dead ones.
  public var names: [String]

  public init(_ names: [String] = []) { self.names = names }

  /// Of the answer: which effect, whose, what became of it (`done`, `dead`, or `retrying` when it was tried
  /// and will be again), and why.
  public static let columns = ["key", "handler", "result", "detail"]
}

extension WireFrame {
  init(_ request: EffectsRequest) {
    self.init(.effects)
    put(Int64(request.names.count))
    for name in request.names { put(name) }
  }

  mutating func effectsRequest() -> EffectsRequest? {
    guard let count = number() else { return nil }
    var names: [String] = []
    for _ in 0..<max(0, count) {
      guard let name = text() else { return nil }
      names.append(name)
    }
    return EffectsRequest(names)
  }
}

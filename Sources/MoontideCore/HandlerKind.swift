/// What a definition is; each kind has its own powers.
public enum HandlerKind: String, Sendable, Hashable, Codable, CaseIterable {
  case projection, consumer, upcaster, decider, saga
}

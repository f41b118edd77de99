/// What happens to a key when the tries of its event are used up.
public enum ExhaustedPolicy: String, Sendable, Hashable, CaseIterable {
  /// The event becomes a dead letter; the key's later events wait behind it.
  case park
  /// The event becomes a dead letter; the key goes on.
  case skip
  /// The handler stops, the event stays where it is.
  case halt
}

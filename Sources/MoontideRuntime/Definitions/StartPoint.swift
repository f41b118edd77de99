public import MoontideCore

/// Where a handler that is new to a log begins.
public enum StartPoint: Sendable, Hashable {
  case start
  /// At what is appended from now on.
  case now
  /// At the first event that was recorded at that instant or later.
  case time(EventTime)

  /// Reads `start`, `now`, RFC 3339, or a date (its start in UTC); nil for anything else.
  public init?(_ text: String) {
    switch text {
    case "start": self = .start
    case "now": self = .now
    default:
      guard let time = EventTime(text) ?? EventTime(text + "T00:00:00Z") else { return nil }
      self = .time(time)
    }
  }
}

import MoontideCore

/// The outline of a `ListLog` by definition: every hundred entries are one stretch. Counts how often it was
/// asked for.
struct ListOutline: EventOutline {
  static let stretch = 100
  let log: ListLog
  var end: Position
  var tellsTypes = true
  let sources: [[UInt8]]? = [Array("s".utf8)]

  init(_ log: ListLog) {
    self.log = log
    end = log.durableEnd
  }

  var tallies: [EventTally]? {
    guard tellsTypes else { return nil }
    var counts: [[UInt8]: [UInt16: Int]] = [:]
    for entry in log.entries.prefix(Int(end.value)) where entry.kind == .event {
      counts[Array(entry.type.utf8), default: [:]][entry.topic, default: 0] += 1
    }
    return counts.flatMap { type, topics in
      topics.map { EventTally(topic: TopicID($0), type: type, count: $1) }
    }
  }

  private func holds(_ stretch: Int, _ question: EventQuestion) -> Bool {
    let first = stretch * Self.stretch
    return log.entries[first..<min(first + Self.stretch, Int(end.value))].contains { entry in
      entry.kind == .event && (question.topic == nil || question.topic?.value == entry.topic)
        && (question.type == nil || question.type == Array(entry.type.utf8))
        && question.earliest <= entry.recorded && entry.recorded <= question.latest
    }
  }

  func next(from start: Position, countMax: Int, of question: EventQuestion) -> Range<Position> {
    var stretch = Int(start.value) / Self.stretch
    while stretch * Self.stretch < Int(end.value) {
      if holds(stretch, question) {
        let first = max(start, Position(UInt64(stretch * Self.stretch)))
        return first..<min(end, Position(UInt64((stretch + 1) * Self.stretch)))
      }
      stretch += 1
    }
    return max(start, end)..<max(start, end)
  }

  func last(before start: Position, countMax: Int, of question: EventQuestion) -> Range<Position> {
    let limit = Int(min(start, end).value)
    var stretch = (limit + Self.stretch - 1) / Self.stretch - 1
    while stretch >= 0, !holds(stretch, question) { stretch -= 1 }
    guard stretch >= 0 else { return .start..<(.start) }
    let first = Position(UInt64(stretch * Self.stretch))
    return first..<Position(UInt64(min(limit, (stretch + 1) * Self.stretch)))
  }
}

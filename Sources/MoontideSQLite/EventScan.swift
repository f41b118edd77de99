import MoontideCore

/// What a scan of the log has to look at: between `start` and `end`, and those conditions that are not nil.
struct EventScan {
  var start = Position.start
  /// Exclusive.
  var end: Position
  var question = EventQuestion()
  var key: [UInt8]?
  var id: [UInt8]?
  var source: [UInt8]?
  var isEmpty = false

  init(end: Position) { self.end = end }

  mutating func narrow(_ comparison: SystemCondition.Comparison, _ number: Int64) {
    let isLower = comparison != .less && comparison != .lessOrEqual
    let isUpper = comparison != .greater && comparison != .greaterOrEqual
    if isLower, number >= 0 {
      let first = UInt64(number) + (comparison == .greater ? 1 : 0)
      start = max(start, Position(first))
    }
    if isUpper {
      if number < 0 { return isEmpty = true }
      end = min(end, Position(UInt64(number) + (comparison == .less ? 0 : 1)))
    }
  }

  /// The same of the time. One microsecond more than is asked for does no harm.
  mutating func narrowTime(_ comparison: SystemCondition.Comparison, _ number: Int64) {
    if comparison != .less && comparison != .lessOrEqual {
      question.earliest = max(question.earliest, number)
    }
    if comparison != .greater && comparison != .greaterOrEqual {
      question.latest = min(question.latest, number)
    }
  }

  /// Two different values of one column in one query: no event has both.
  mutating func narrow<T: Equatable>(_ part: WritableKeyPath<EventScan, T?>, _ value: T) {
    if let known = self[keyPath: part], known != value { isEmpty = true }
    self[keyPath: part] = value
  }

  /// Whether the query may want a record.
  func matches(_ record: Record, in bytes: [UInt8]) -> Bool {
    let envelope = record.envelope
    guard envelope.kind == .event, record.position >= start, record.position < end else { return false }
    if let topic = question.topic, topic != record.topic { return false }
    guard question.earliest <= envelope.timeMicroseconds, envelope.timeMicroseconds <= question.latest else {
      return false
    }
    func isSame(_ part: ByteRange, _ other: [UInt8]?) -> Bool {
      guard let other else { return true }
      return bytes.equals(part, other, ByteRange(start: 0, count: other.count))
    }
    return isSame(envelope.type, question.type) && isSame(envelope.key, key) && isSame(envelope.id, id)
      && isSame(envelope.source, source)
  }
}

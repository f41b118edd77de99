public import MoontideCore

/// A moment as a person names it: an instant, or a record of the log.
public enum LogMoment: Sendable, Hashable {
  case instant(EventTime)
  case position(Position)
  case offset(TopicName, partition: UInt16, Offset)

  /// For `--as-of`: all that had happened by then. A record stands for its event's time.
  /// - Throws: `noSuchEvent` when the log does not have that record.
  func eventTime(in log: any EventLog) throws(Diagnostic) -> EventTime {
    guard case .instant(let time) = self else {
      let position = try position(in: log)
      let batch = RecordBatch()
      try LogError.told { () throws(LogError) in
        _ = try log.read(from: position, records: 1, bytes: 1, into: batch)
      }
      // Behind what a repair gave up the next record is another one.
      guard let record = batch.records.first, record.position == position else {
        throw LogMoment.missing("\(position)", log)
      }
      return EventTime(microseconds: record.envelope.timeMicroseconds)
    }
    return time
  }

  /// For `--as-known`: where the log ended then, exclusive. A record is the last one that was known.
  /// - Throws: `noSuchEvent` when the log does not have that record.
  func knownEnd(in log: any EventLog) throws(Diagnostic) -> Position {
    guard case .instant(let time) = self else { return try position(in: log).next }
    let after = EventTime(microseconds: time.microseconds + 1)
    return try LogError.told { () throws(LogError) in
      try log.position(of: .recorded(after)) ?? log.durableEnd
    }
  }

  /// Of the record that is named; not for an instant.
  private func position(in log: any EventLog) throws(Diagnostic) -> Position {
    switch self {
    case .instant: preconditionFailure("an instant is no record")
    case .position(let position):
      guard position < log.durableEnd else { throw LogMoment.missing("\(position)", log) }
      return position
    case .offset(let topic, let partition, let offset):
      let known = log.topics().first { $0.name == topic }
      let found = try LogError.told { () throws(LogError) -> Position? in
        guard let known else { return nil }
        return try log.position(
          of: .offset(topic: known.id, partition: partition, offset: offset))
      }
      guard let found else { throw LogMoment.missing("\(topic)/\(partition)@\(offset)", log) }
      return found
    }
  }

  private static func missing(_ name: String, _ log: any EventLog) -> Diagnostic {
    Diagnostic(.noSuchEvent, "there is no \(name) in the log, which ends before \(log.durableEnd)")
  }
}

/// Which past is asked for: `--as-of`, `--as-known`, or both, which is bitemporal.
public struct PastMoment: Sendable, Hashable {
  /// By when events had happened.
  public var asOf: LogMoment?
  /// By when the log held them.
  public var asKnown: LogMoment?

  public init(asOf: LogMoment? = nil, asKnown: LogMoment? = nil) {
    self.asOf = asOf
    self.asKnown = asKnown
  }

  /// Nothing of the past is asked: all that the log has.
  public var isPresent: Bool { asOf == nil && asKnown == nil }
}

/// A past moment in terms of one log: the records before `end`, of the events those with a time up to
/// `until`.
struct PastView: Sendable, Hashable {
  /// The last time that counts; nil: all.
  var until: EventTime?
  /// Exclusive.
  var end: Position

  init(_ moment: PastMoment, in log: any EventLog) throws(Diagnostic) {
    until = try moment.asOf?.eventTime(in: log)
    end = try moment.asKnown?.knownEnd(in: log) ?? log.durableEnd
  }

  /// All of a log.
  init(whole log: any EventLog) { end = log.durableEnd }

  /// The last time that counts, as a bound that is always there.
  var latest: Int64 { until?.microseconds ?? .max }

  /// Whether a record has a part in it. What is no event (a command, what people decided) did not happen at a
  /// time of its own: it counts from when the log held it.
  func counts(_ record: Record) -> Bool {
    record.position < end && (record.envelope.kind != .event || record.envelope.timeMicroseconds <= latest)
  }

  /// `as of 2026-11-17T23:59:59.999999Z, as known at 2026-11-18T09:00:00Z: the log before #48212`
  func description(_ moment: PastMoment, now: EventTime) -> String {
    func ahead(_ time: EventTime) -> String { time > now ? " (yet to come)" : "" }
    var parts: [String] = []
    if let until, let asOf = moment.asOf {
      parts.append("as of \(until)" + ahead(until) + PastView.named(asOf))
    }
    if let asKnown = moment.asKnown {
      var text = "as known"
      if case .instant(let time) = asKnown { text += " at \(time)" + ahead(time) }
      parts.append(text + (end == .start ? ": the log was empty" : ": the log before \(end)"))
    }
    return parts.joined(separator: ", ")
  }

  private static func named(_ moment: LogMoment) -> String {
    switch moment {
    case .instant: ""
    case .position(let position): ", the time of \(position)"
    case .offset(let topic, let partition, let offset): ", the time of \(topic)/\(partition)@\(offset)"
    }
  }
}

public import MoontideCore
import MoontideJSON

/// What moves sagas on without an event: the record of kind `timer` in the topic `_timers`.
///
/// | type | source, id, key | `data` |
/// | --- | --- | --- |
/// | `TimerFired` | the saga's identity name, one of its own, the correlation value | see `firing` |
/// | `SagaMigrated` | as of `TimerFired` | see `migration`; for those who look |
/// | `TimeAdvanced` | empty, `until-` and microseconds, `_time` | `{ "until" }` |
///
/// A firing counts when the timer of that ordinal is still set where its record is read; so every replay
/// sees it at the same place, and a second one does nothing.
public struct TimerRecord: Sendable, Hashable {
  public enum Event: Sendable, Hashable {
    case fired(key: [UInt8], ordinal: UInt64)
    /// Event time is at least this, microseconds since 1970.
    case advanced(Int64)
  }

  static let firedType = "TimerFired"
  static let advancedType = "TimeAdvanced"
  static let migratedType = "SagaMigrated"

  public var event: Event
  /// The identity name of the saga, or empty.
  public var source: [UInt8]

  /// Reads a record of kind `timer`; nil when it is not readable.
  public init?(_ record: Record, in batch: RecordBatch) {
    let bytes = batch.bytes
    let envelope = record.envelope
    source = Array(bytes[envelope.source.indices])
    switch bytes.text(envelope.type) {
    case Self.firedType:
      guard let written = JSONFields.value("ordinal", bytes, envelope.data),
        let ordinal = UInt64(bytes.text(written))
      else { return nil }
      event = .fired(key: Array(bytes[envelope.key.indices]), ordinal: ordinal)
    case Self.advancedType: event = .advanced(envelope.timeMicroseconds)
    default: return nil
    }
  }

  /// The firing of a timer, for the outbox of its saga.
  static func firing(_ timer: SagaTimerRow, of saga: String, cause: Position) -> OutboxEvent {
    let due = EventTime(microseconds: timer.dueMicroseconds).description
    var data: [UInt8] = []
    JSONValue.object([
      .init("instance", .string(String(decoding: timer.key, as: UTF8.self))),
      .init("ordinal", .integer(Int64(bitPattern: timer.ordinal))), .init("purpose", .string(timer.purpose)),
      .init("due", .string(due)),
    ]).append(to: &data)
    return OutboxEvent(
      topic: .timers, id: id(of: timer, saga), source: Array(saga.utf8), type: Array(firedType.utf8),
      version: 1, key: timer.key, time: Array(due.utf8), data: data, meta: [], cause: cause)
  }

  /// That an instance was brought to the steps of an edited script, for the outbox of its saga; also what
  /// its commands are named after.
  /// - Parameter step: on which it stood, or empty.
  static func migration(
    _ row: SagaRow, number: UInt64, step: String, to version: String, of saga: String, at moment: SagaMoment
  ) -> OutboxEvent {
    var data: [UInt8] = []
    JSONValue.object([
      .init("instance", .string(String(decoding: row.key, as: UTF8.self))), .init("step", .string(step)),
      .init("from", .string(row.scriptVersion)), .init("to", .string(version)),
    ]).append(to: &data)
    let digest = Digest.zero.adding(saga).adding("migration").adding(row.key).adding(number)
    return OutboxEvent(
      topic: .timers, id: Array("\(saga)-\(digest)".utf8), source: Array(saga.utf8),
      type: Array(migratedType.utf8), version: 1, key: row.key,
      time: Array(EventTime(microseconds: moment.microseconds).description.utf8), data: data, meta: [],
      cause: moment.position)
  }

  /// The same for the same timer always. When it is due belongs to it: a saga that begins anew after an edit,
  /// or that tries again at another time, must not contend for the id.
  static func id(of timer: SagaTimerRow, _ saga: String) -> [UInt8] {
    let digest = Digest.zero.adding(saga).adding("timer").adding(timer.key).adding(timer.ordinal)
      .adding(UInt64(bitPattern: timer.dueMicroseconds))
    return Array("\(saga)-\(digest)".utf8)
  }

  /// Appends the record that moves event time on to `batch` as a draft.
  public static func advance(to time: EventTime, topic: TopicID, into batch: DraftBatch) {
    var envelope = Envelope(kind: .timer, given: [.key, .time])
    envelope.timeMicroseconds = time.microseconds
    envelope.id = batch.bytes.appendPart("until-\(time.microseconds)")
    envelope.type = batch.bytes.appendPart(advancedType)
    envelope.key = batch.bytes.appendPart("_time")
    envelope.time = batch.bytes.appendPart(time.description)
    envelope.data = batch.bytes.appendPart("{\"until\":\"\(time)\"}")
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }
}

/// What a record of the log is. Only events are visible to handlers' `["*"]` and in `sys.events`.
@frozen public enum RecordKind: UInt8, Sendable {
  case event = 1
  /// A line that could not be taken as an event, kept as it came.
  case quarantine = 2
  /// What a decider is asked to do, in the topic `_commands`.
  case command = 3
  /// What the decider answered, in the topic `_outcomes`.
  case outcome = 4
  /// What a person decided about dead letters; its `data` is read by `Decision` of the runtime.
  case decision = 5
  /// A timer of a saga that fired, in the topic `_timers`.
  case timer = 6
  /// What came of an effect, in the topic `_results`; its `data` is read by `EffectResult` of the runtime.
  case result = 7
  /// That scripts took over, and their texts, in the topic `_reloads`; its `data` is read by `TakeoverRecord`
  /// of the runtime.
  case takeover = 8
}

/// Which optional fields of the envelope were written, so that an export gives them back and no others.
@frozen public struct EnvelopeFields: OptionSet, Sendable, Hashable {
  public let rawValue: UInt8
  @inlinable public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let source = EnvelopeFields(rawValue: 1)
  public static let version = EnvelopeFields(rawValue: 2)
  public static let key = EnvelopeFields(rawValue: 4)
  public static let time = EnvelopeFields(rawValue: 8)
  public static let meta = EnvelopeFields(rawValue: 16)
}

/// The fields of one event as they enter the log; texts are parts of the buffer of the owner.
///
/// Absent optional fields have their defaults filled in: `source` empty, `version` 1, `key` the id, `time`
/// empty (the log then records the time of recording as `time`), `meta` empty.
@frozen public struct Envelope: Sendable {
  public var kind: RecordKind
  public var given: EnvelopeFields
  public var version: UInt32
  /// The instant that `time` names; `Int64.min` when it was not given.
  public var timeMicroseconds: Int64
  public var id: ByteRange
  public var source: ByteRange
  public var type: ByteRange
  public var key: ByteRange
  /// RFC 3339 as written.
  public var time: ByteRange
  /// A JSON object, bytes as written. For a quarantine record: its description, see `QuarantineNote`.
  public var data: ByteRange
  /// A JSON object, bytes as written, or empty.
  public var meta: ByteRange

  public init(
    kind: RecordKind = .event, given: EnvelopeFields = [], version: UInt32 = 1,
    timeMicroseconds: Int64 = .min, id: ByteRange = .empty, source: ByteRange = .empty,
    type: ByteRange = .empty, key: ByteRange = .empty, time: ByteRange = .empty, data: ByteRange = .empty,
    meta: ByteRange = .empty
  ) {
    self.kind = kind
    self.given = given
    self.version = version
    self.timeMicroseconds = timeMicroseconds
    self.id = id
    self.source = source
    self.type = type
    self.key = key
    self.time = time
    self.data = data
    self.meta = meta
  }
}

/// An event on its way into the log.
@frozen public struct Draft: Sendable {
  public var topic: TopicID
  public var envelope: Envelope
  /// Of type, version, key, time if given, and data without whitespace; see `BodyDigest`.
  public var body: Digest

  public init(topic: TopicID, envelope: Envelope, body: Digest) {
    self.topic = topic
    self.envelope = envelope
    self.body = body
  }
}

/// A record as it was read from the log.
@frozen public struct Record: Sendable {
  public var position: Position
  public var offset: Offset
  public var topic: TopicID
  public var partition: UInt16
  /// Microseconds since 1970 of the commit that holds it.
  public var recordedMicroseconds: Int64
  /// Parts of the batch's bytes. `timeMicroseconds` is always set: the instant of `time`, or of recording.
  public var envelope: Envelope

  public init(
    position: Position, offset: Offset, topic: TopicID, partition: UInt16, recordedMicroseconds: Int64,
    envelope: Envelope
  ) {
    self.position = position
    self.offset = offset
    self.topic = topic
    self.partition = partition
    self.recordedMicroseconds = recordedMicroseconds
    self.envelope = envelope
  }
}

/// Events on their way into the log: a reusable buffer, owned by one thread, with the drafts that name its
/// parts.
public final class DraftBatch {
  public var bytes: [UInt8] = []
  public var drafts: [Draft] = []

  public init() {}

  public func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    drafts.removeAll(keepingCapacity: true)
  }
}

/// Records read from the log: a reusable buffer, owned by one thread. A parser may read
/// `Limits.parserPaddingBytes` behind any part, so `bytes` always ends in that many bytes of padding.
///
/// Exclusive access is not checked at run time, for the reasons given at `RowBuffer`.
public final class RecordBatch {
  @exclusivity(unchecked) public var bytes: [UInt8] = []
  /// In order of position.
  @exclusivity(unchecked) public var records: [Record] = []

  public init() {}

  public func removeAll() {
    unsafe bytes.removeAll(keepingCapacity: true)
    unsafe records.removeAll(keepingCapacity: true)
  }

  /// Appends a copy of a record, and of its bytes out of `source`. Without padding: the caller adds it at the
  /// end.
  public func append(_ record: Record, from source: [UInt8]) {
    var record = record
    record.envelope.id = unsafe bytes.appendPart(source, record.envelope.id)
    record.envelope.source = unsafe bytes.appendPart(source, record.envelope.source)
    record.envelope.type = unsafe bytes.appendPart(source, record.envelope.type)
    record.envelope.key = unsafe bytes.appendPart(source, record.envelope.key)
    record.envelope.time = unsafe bytes.appendPart(source, record.envelope.time)
    record.envelope.data = unsafe bytes.appendPart(source, record.envelope.data)
    record.envelope.meta = unsafe bytes.appendPart(source, record.envelope.meta)
    unsafe records.append(record)
  }
}

extension Record {
  /// All that the log knows of a record, its time of recording included. Two histories that share a beginning
  /// (a log that was restored from a backup, or lost its end, and went on) differ in it from where they part:
  /// what is recorded later has a later time.
  /// - Parameter bytes: of the batch that it was read into.
  public func fingerprint(in bytes: [UInt8]) -> Digest {
    var digest = Digest.zero.adding(position.value).adding(offset.value)
      .adding(UInt64(topic.value)).adding(UInt64(partition))
      .adding(UInt64(bitPattern: recordedMicroseconds)).adding(UInt64(envelope.kind.rawValue))
      .adding(UInt64(envelope.version)).adding(UInt64(bitPattern: envelope.timeMicroseconds))
    for part in [
      envelope.id, envelope.source, envelope.type, envelope.key, envelope.time, envelope.data, envelope.meta,
    ] { digest = digest.adding(bytes, part) }
    return digest
  }
}

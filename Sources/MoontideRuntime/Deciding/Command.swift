public import MoontideCore
public import MoontideJSON

/// A command: what a decider is asked to do with one stream. Its identity, `source` and `id`, has one outcome
/// for ever. In the log it is a record of kind `command` in the topic `_commands`, its key that of the
/// stream.
public struct Command: Sendable, Hashable {
  public var source: [UInt8]
  public var id: [UInt8]
  public var type: String
  public var version: UInt32
  /// The key of the stream.
  public var key: [UInt8]
  /// RFC 3339 as written, or empty.
  public var time: [UInt8]
  /// A JSON object, bytes as written.
  public var data: [UInt8]
  /// A JSON object, or empty.
  public var meta: [UInt8]
  /// Which optional fields were written.
  public var given: EnvelopeFields
  /// Only decided when the stream has exactly so many events, else rejected. Not kept with the command.
  public var expectedVersion: Int?

  /// What names it.
  public struct Identity: Sendable, Hashable {
    public var source: [UInt8]
    public var id: [UInt8]

    init(source: [UInt8], id: [UInt8]) {
      self.source = source
      self.id = id
    }

    /// Of a command, or of the one that an outcome answers.
    public init(_ record: Record, in batch: RecordBatch) {
      source = Array(batch.bytes[record.envelope.source.indices])
      id = Array(batch.bytes[record.envelope.id.indices])
    }
  }
  public var identity: Identity { Identity(source: source, id: id) }

  /// A draft that `complete` has made a command of.
  public init(_ draft: Draft, in batch: DraftBatch) { self.init(draft.envelope, batch.bytes) }

  /// A record of the log.
  public init(_ record: Record, in batch: RecordBatch) { self.init(record.envelope, batch.bytes) }

  private init(_ envelope: Envelope, _ bytes: [UInt8]) {
    source = Array(bytes[envelope.source.indices])
    id = Array(bytes[envelope.id.indices])
    type = bytes.text(envelope.type)
    version = envelope.version
    key = Array(bytes[envelope.key.indices])
    time = Array(bytes[envelope.time.indices])
    data = Array(bytes[envelope.data.indices])
    meta = Array(bytes[envelope.meta.indices])
    given = envelope.given
  }

  /// Makes a command of the last draft of a batch, which was parsed as an event: finds its decider, and its
  /// stream's key in its data. Throws when no decider takes the type, or the key is missing.
  public static func complete(_ batch: DraftBatch, catalog: ProjectCatalog) throws(EnvelopeFault) {
    precondition(!batch.drafts.isEmpty, "there is no draft to complete")
    let last = batch.drafts.count - 1
    var envelope = batch.drafts[last].envelope
    let type = batch.bytes.text(envelope.type)
    let decider = try decider(of: type, catalog: catalog)
    if let field = decider.keyField {
      let key = try streamKey(field, type, batch.bytes, envelope.data)
      if envelope.given.contains(.key), !batch.bytes[envelope.key.indices].elementsEqual(key) {
        throw EnvelopeFault(
          .streamKey,
          "the stream of \(type) is named by `\(field)` in its data, "
            + "\(String(decoding: key, as: UTF8.self)); its `key` says \(batch.bytes.text(envelope.key))")
      }
      envelope.key = batch.bytes.appendPart(key, ByteRange(start: 0, count: key.count))
    }
    envelope.kind = .command
    batch.drafts[last].envelope = envelope
    var tokens: [UInt8] = []
    let data = JSONText.minify(batch.bytes, envelope.data, into: &tokens)
    batch.drafts[last].body = BodyDigest.digest(of: envelope, in: batch.bytes, data: data, in: tokens)
  }

  /// The decider that takes a type of command.
  public static func decider(
    of type: String, catalog: ProjectCatalog
  ) throws(EnvelopeFault) -> DeciderDefinition {
    if let known = catalog.decider(ofCommand: type) { return known }
    let near = Suggestion.nearest(to: type, among: catalog.deciders.flatMap(\.commands))
    let hint =
      near.map { "; did you mean \($0)?" } ?? (catalog.deciders.isEmpty ? ": the project has no decider" : "")
    throw EnvelopeFault(.noDecider, "a command must have a decider; none takes \(type)\(hint)")
  }

  /// The key of the stream: a text or a whole number in `data`.
  static func streamKey(
    _ field: String, _ type: String, _ bytes: [UInt8], _ data: ByteRange
  ) throws(EnvelopeFault) -> [UInt8] {
    var rule: String { "the stream of \(type) must be named by `\(field)` in its data" }
    guard let written = JSONFields.value(field, bytes, data) else {
      throw EnvelopeFault(.streamKey, "\(rule); there is no such field")
    }
    let key: [UInt8]
    if let plain = JSONFields.plainText(bytes, written) {
      key = plain
    } else {
      switch try JSONValue(parsing: Array(bytes[written.indices])) {
      case .string(let text): key = Array(text.utf8)
      case .integer(let number): key = Array(String(number).utf8)
      default: throw EnvelopeFault(.streamKey, "\(rule), as a text or a whole number")
      }
    }
    guard (1...Limits.identityBytesMax).contains(key.count), key.allSatisfy({ $0 >= 0x20 && $0 != 0x7f })
    else {
      throw EnvelopeFault(
        .streamKey,
        "\(rule), with 1 to \(Limits.identityBytesMax) bytes and without control characters")
    }
    return key
  }

  /// Appends the command to `batch` as a draft of `_commands`.
  func draft(topic: TopicID, into batch: DraftBatch) {
    let envelope = envelope(time: given.contains(.time) ? time : [], in: &batch.bytes)
    var tokens: [UInt8] = []
    let compact = JSONText.minify(batch.bytes, envelope.data, into: &tokens)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: compact, in: tokens)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }

  /// The command as a record, for the script: the only one of `batch`.
  /// - Parameter now: its time, when it was given none.
  func record(in batch: RecordBatch, now: EventTime) -> Record {
    batch.removeAll()
    let envelope = envelope(time: time.isEmpty ? Array(now.description.utf8) : time, in: &batch.bytes)
    batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    let record = Record(
      position: .start, offset: Offset(0), topic: TopicID(0), partition: 0, recordedMicroseconds: 0,
      envelope: envelope)
    batch.records.append(record)
    return record
  }

  private func envelope(time: [UInt8], in bytes: inout [UInt8]) -> Envelope {
    func add(_ part: [UInt8]) -> ByteRange { bytes.appendPart(part, ByteRange(start: 0, count: part.count)) }
    var envelope = Envelope(kind: .command, given: given, version: version)
    envelope.id = add(id)
    envelope.source = add(source)
    envelope.type = add(Array(type.utf8))
    envelope.key = add(key)
    envelope.time = add(time)
    envelope.data = add(data)
    envelope.meta = add(meta)
    if !time.isEmpty { envelope.timeMicroseconds = EventTime(bytes, envelope.time)?.microseconds ?? .min }
    return envelope
  }

  /// Whether both ask the same: what a repeat is told from a conflict by.
  func isSame(as other: Command) -> Bool { differences(from: other).isEmpty }

  /// What they do not have in common of their bodies.
  func differences(from other: Command) -> [String] {
    let hasTime = given.contains(.time)
    let isSameTime = hasTime == other.given.contains(.time) && (!hasTime || time == other.time)
    let parts = [
      ("type", type == other.type), ("version", version == other.version), ("key", key == other.key),
      ("time", isSameTime), ("data", Self.tokens(data) == Self.tokens(other.data)),
    ]
    return parts.filter { !$0.1 }.map(\.0)
  }

  /// What an outcome's `meta` says: `causationid`, the command's id, and `correlationid`, the command's, else
  /// its id.
  var outcomeMeta: [UInt8] {
    let text = JSONValue.string(String(decoding: id, as: UTF8.self))
    var bytes = Array("{\"causationid\":".utf8)
    text.append(to: &bytes)
    bytes += Array(",\"correlationid\":".utf8)
    if let known = JSONFields.value("correlationid", meta, ByteRange(start: 0, count: meta.count)) {
      bytes += meta[known.indices]
    } else {
      text.append(to: &bytes)
    }
    return bytes + [UInt8(ascii: "}")]
  }

  private static func tokens(_ json: [UInt8]) -> [UInt8] {
    var out: [UInt8] = []
    JSONText.minify(json, ByteRange(start: 0, count: json.count), into: &out)
    return out
  }

  /// The durable command of that identity, if there is one.
  static func find(_ identity: Identity, in log: any EventLog) throws(LogError) -> Command? {
    guard let topic = log.topics().first(where: { $0.name == .commands }),
      let position = try log.position(
        of: .identity(topic: topic.id, source: identity.source, id: identity.id))
    else { return nil }
    let batch = RecordBatch()
    _ = try log.read(from: position, records: 1, bytes: 1, into: batch)
    return batch.records.first.map { Command($0, in: batch) }
  }
}

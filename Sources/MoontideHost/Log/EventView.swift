public import MoontideCore
import MoontideJSON
import MoontideRuntime

/// A stored event by its texts, as a query gives it.
public struct StoredEvent: Sendable, Hashable {
  public var position: UInt64
  public var topic: String
  public var id: String
  public var source: String
  public var type: String
  public var version: UInt32
  public var key: String
  public var time: String
  /// JSON objects; `meta` may be empty.
  public var data: String
  public var meta: String

  public init(
    position: UInt64, topic: String, id: String, source: String = "", type: String, version: UInt32,
    key: String, time: String, data: String, meta: String = ""
  ) {
    self.position = position
    self.topic = topic
    self.id = id
    self.source = source
    self.type = type
    self.version = version
    self.key = key
    self.time = time
    self.data = data
    self.meta = meta
  }
}

/// Shows what handlers see of stored events: upcasters as the scripts say now, run in this process. Takes no
/// lock and reads nothing but scripts. One thread.
public final class EventView {
  private let catalog: ProjectCatalog
  private var viewers: [String: EventViewer] = [:]

  public init(_ paths: ProjectPaths) throws(Diagnostic) {
    catalog = try LoadedScripts.load(paths, files: SystemSurroundings.files).catalog
  }

  /// The events that become of it, as a JSON list of envelopes: with parts of a split each of its own, and
  /// none of an event that is dropped. Nil when it is seen as it is stored.
  /// - Parameter handler: whose view; nil: of one that handles all types in their newest versions.
  /// - Throws: why an upcaster failed.
  public func seen(_ event: StoredEvent, by handler: String? = nil) throws(Diagnostic) -> String? {
    let definition = handler.flatMap { catalog.definition($0) }
    let viewer = try viewer(definition)
    let batch = RecordBatch()
    let record = EventView.record(event, in: batch)
    guard let topic = TopicName(event.topic) else { return nil }
    let seen = try viewer.see(record, in: batch, topic: topic)
    if seen.count == 1, seen[0].envelope.type == record.envelope.type,
      seen[0].envelope.data == record.envelope.data
    {
      return nil
    }
    var text: [UInt8] = [UInt8(ascii: "[")]
    for (index, one) in seen.enumerated() {
      if index > 0 { text.append(UInt8(ascii: ",")) }
      var envelope = one.envelope
      envelope.given = envelope.meta.isEmpty ? [.version, .key, .time] : [.version, .key, .time, .meta]
      JSONWriter.appendLine(envelope, in: batch.bytes, recordedMicroseconds: nil, to: &text)
    }
    text.append(UInt8(ascii: "]"))
    return String(decoding: text, as: UTF8.self)
  }

  private func viewer(_ definition: HandlerDefinition?) throws(Diagnostic) -> EventViewer {
    let name = definition?.identityName ?? ""
    if let known = viewers[name] { return known }
    let viewer: EventViewer
    if let definition {
      viewer = try EventViewer(definition.interest, name: name, catalog: catalog)
    } else {
      viewer = try EventViewer(catalog: catalog)
    }
    viewers[name] = viewer
    return viewer
  }

  private static func record(_ event: StoredEvent, in batch: RecordBatch) -> Record {
    var envelope = Envelope(version: event.version)
    envelope.id = batch.bytes.appendPart(event.id)
    envelope.source = batch.bytes.appendPart(event.source)
    envelope.type = batch.bytes.appendPart(event.type)
    envelope.key = batch.bytes.appendPart(event.key)
    envelope.time = batch.bytes.appendPart(event.time)
    envelope.timeMicroseconds = EventTime(event.time)?.microseconds ?? 0
    envelope.data = batch.bytes.appendPart(event.data)
    envelope.meta = batch.bytes.appendPart(event.meta)
    batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    return Record(
      position: Position(event.position), offset: Offset(0), topic: TopicID(0), partition: 0,
      recordedMicroseconds: 0, envelope: envelope)
  }
}

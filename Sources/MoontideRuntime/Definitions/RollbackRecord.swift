public import MoontideCore
import MoontideJSON

/// That a person put the former read model of a projection back: a record of kind `takeover` in the topic
/// `_reloads`, of type `ProjectionRolledBack`, its key `rollback NAME`. Until the script is edited to
/// something else again, the projection runs by the version that it was put back to.
///
/// `data` is one JSON object: `name`, `version` (that serves), `instead` (that it was put back from, and that
/// the script on disk makes). With both the same, nothing is put back any more.
public struct RollbackRecord: Sendable, Hashable {
  public var name: String
  public var version: String
  public var instead: String
  /// Where it lies.
  public var position = Position.start

  static let type = "ProjectionRolledBack"

  public init(name: String, version: String, instead: String) {
    self.name = name
    self.version = version
    self.instead = instead
  }

  static func key(_ name: String) -> [UInt8] { Array("rollback \(name)".utf8) }

  public var data: [UInt8] {
    var data: [UInt8] = []
    JSONValue.object([
      .init("name", .string(name)), .init("version", .string(version)), .init("instead", .string(instead)),
    ]).append(to: &data)
    return data
  }

  /// Nil for what is none.
  public init?(data: [UInt8]) {
    let json: JSONValue
    do throws(EnvelopeFault) { json = try JSONValue(parsing: data) } catch { return nil }
    guard let name = json["name"]?.text, let version = json["version"]?.text,
      let instead = json["instead"]?.text
    else { return nil }
    self.init(name: name, version: version, instead: instead)
  }

  /// Appends it to `batch` as a draft.
  /// - Parameters:
  ///   - id: unlike that of any other.
  ///   - topic: the log's number of `_reloads`.
  public func draft(id: String, topic: TopicID, into batch: DraftBatch) {
    let (id, type, key) = (Array(id.utf8), Array(Self.type.utf8), Self.key(name))
    var envelope = Envelope(kind: .takeover, given: [.key])
    envelope.id = batch.bytes.appendPart(id, id.whole)
    envelope.type = batch.bytes.appendPart(type, type.whole)
    envelope.key = batch.bytes.appendPart(key, key.whole)
    envelope.data = batch.bytes.appendPart(data, data.whole)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }

  /// The newest of a projection; nil when it was never put back.
  public static func last(of name: String, in log: any EventLog) throws(LogError) -> RollbackRecord? {
    guard let topic = log.topics().first(where: { $0.name == .reloads }) else { return nil }
    var found: RollbackRecord?
    let batch = RecordBatch()
    var version = 0
    while true {
      let next = try log.read(
        topic: topic.id, key: key(name), from: version, records: Limits.readRecordsMax, into: batch)
      if next == version { return found }
      version = next
      for record in batch.records {
        guard var one = RollbackRecord(data: Array(batch.bytes[record.envelope.data.indices])) else {
          continue
        }
        one.position = record.position
        found = one
      }
    }
  }
}

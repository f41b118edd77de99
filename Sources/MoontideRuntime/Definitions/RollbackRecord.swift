public import MoontideCore
import MoontideJSON

/// That a person asked for another read model of a projection: the former one (`ProjectionRolledBack`), or
/// one that is folded anew (`ProjectionRebuildAsked`). A record of kind `takeover` in the topic `_reloads`,
/// its key `rollback NAME`, durable before anything of it happens. After a rollback the projection runs by
/// the version that it was put back to, until the script is edited to something else again.
///
/// `data` is one JSON object: `name`, `version` (that is to serve), `instead` (that the script on disk
/// makes), and `previous` (that served when it was asked). With both the same the script on disk is followed.
public struct RollbackRecord: Sendable, Hashable {
  public enum Request: String, Sendable, Hashable {
    case rollback = "ProjectionRolledBack"
    case rebuild = "ProjectionRebuildAsked"
  }

  public var request: Request
  public var name: String
  public var version: String
  public var instead: String
  /// Nil where an earlier Moontide did not say.
  public var previous: String?
  /// Where it lies, and when it came there.
  public var position = Position.start
  public var recorded = EventTime(microseconds: 0)

  public init(_ request: Request, name: String, version: String, instead: String, previous: String?) {
    self.request = request
    self.name = name
    self.version = version
    self.instead = instead
    self.previous = previous
  }

  static func key(_ name: String) -> [UInt8] { Array("rollback \(name)".utf8) }

  public var data: [UInt8] {
    var data: [UInt8] = []
    var members: [JSONValue.Member] = [
      .init("name", .string(name)), .init("version", .string(version)), .init("instead", .string(instead)),
    ]
    if let previous { members.append(.init("previous", .string(previous))) }
    JSONValue.object(members).append(to: &data)
    return data
  }

  /// Nil for what is none.
  public init?(type: [UInt8], data: [UInt8]) {
    let json: JSONValue
    do throws(EnvelopeFault) { json = try JSONValue(parsing: data) } catch { return nil }
    guard let request = Request(rawValue: String(decoding: type, as: UTF8.self)),
      let name = json["name"]?.text, let version = json["version"]?.text,
      let instead = json["instead"]?.text
    else { return nil }
    self.init(
      request, name: name, version: version, instead: instead, previous: json["previous"]?.text)
  }

  /// Appends it to `batch` as a draft.
  /// - Parameters:
  ///   - id: unlike that of any other.
  ///   - topic: the log's number of `_reloads`.
  public func draft(id: String, topic: TopicID, into batch: DraftBatch) {
    let (id, type, key) = (Array(id.utf8), Array(request.rawValue.utf8), Self.key(name))
    var envelope = Envelope(kind: .takeover, given: [.key])
    envelope.id = batch.bytes.appendPart(id, id.whole)
    envelope.type = batch.bytes.appendPart(type, type.whole)
    envelope.key = batch.bytes.appendPart(key, key.whole)
    envelope.data = batch.bytes.appendPart(data, data.whole)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }

  /// All of a projection, oldest first.
  public static func all(of name: String, in log: any EventLog) throws(LogError) -> [RollbackRecord] {
    guard let topic = log.topics().first(where: { $0.name == .reloads }) else { return [] }
    var found: [RollbackRecord] = []
    let batch = RecordBatch()
    var version = 0
    while true {
      let next = try log.read(
        topic: topic.id, key: key(name), from: version, records: Limits.readRecordsMax, into: batch)
      if next == version { return found }
      version = next
      for record in batch.records {
        let (type, data) = (record.envelope.type.indices, record.envelope.data.indices)
        guard var one = RollbackRecord(type: Array(batch.bytes[type]), data: Array(batch.bytes[data])) else {
          continue
        }
        one.position = record.position
        one.recorded = EventTime(microseconds: record.recordedMicroseconds)
        found.append(one)
      }
    }
  }
}

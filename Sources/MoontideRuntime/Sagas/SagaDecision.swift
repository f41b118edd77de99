public import MoontideCore
import MoontideJSON

/// What a person decided about one instance of a saga: a record of kind `decision` in the topic `_decisions`,
/// its key the saga's identity name, its type the action, its data `{ "instance", "reason" }`.
public struct SagaDecision: Sendable, Hashable {
  public enum Action: String, Sendable, Hashable {
    /// What is stuck is tried again, with all tries.
    case retry = "SagaRetried"
    /// It is given up: what was done is compensated.
    case cancel = "SagaCancelled"
  }

  public var action: Action
  /// The correlation value.
  public var key: [UInt8]
  public var reason: String

  public init(_ action: Action, key: [UInt8], reason: String = "") {
    self.action = action
    self.key = key
    self.reason = reason
  }

  /// Reads a record of kind `decision`; nil when it is about something else.
  init?(_ record: Record, in batch: RecordBatch) {
    guard let action = Action(rawValue: batch.bytes.text(record.envelope.type)) else { return nil }
    let data: JSONValue
    do throws(EnvelopeFault) {
      data = try JSONValue(parsing: Array(batch.bytes[record.envelope.data.indices]))
    } catch { return nil }
    guard let key = data["instance"]?.text else { return nil }
    self.init(action, key: Array(key.utf8), reason: data["reason"]?.text ?? "")
  }

  /// Appends the record to `batch` as a draft.
  /// - Parameters:
  ///   - saga: its identity name.
  ///   - id: unlike that of any other decision.
  ///   - topic: the log's number of `_decisions`.
  public func draft(saga: String, id: String, topic: TopicID, into batch: DraftBatch) {
    var envelope = Envelope(kind: .decision, given: [.key])
    envelope.id = batch.bytes.appendPart(id)
    envelope.type = batch.bytes.appendPart(action.rawValue)
    envelope.key = batch.bytes.appendPart(saga)
    let start = batch.bytes.count
    JSONValue.object([
      .init("instance", .string(String(decoding: key, as: UTF8.self))), .init("reason", .string(reason)),
    ]).append(to: &batch.bytes)
    envelope.data = ByteRange(start: start, count: batch.bytes.count - start)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }
}

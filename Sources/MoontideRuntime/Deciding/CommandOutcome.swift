public import MoontideCore
import MoontideJSON

/// The one answer to a command: the record of kind `outcome` in the topic `_outcomes`, under the command's
/// source and id, its key that of the stream.
///
/// `type` is the verdict. `data` is one JSON object:
///
/// | member | what |
/// | --- | --- |
/// | `command` | the command's type |
/// | `decider`, `topic` | who decided, and where its events went |
/// | `version` | how many events the stream had after the decision |
/// | `events` | of an accepted command: `{ "id", "type" }` of each event, in order |
/// | `code`, `text` | of a rejected or failed one: why |
///
/// `meta` has `causationid` and `correlationid`, see `Command.outcomeMeta`.
public struct CommandOutcome: Sendable, Hashable {
  public enum Verdict: String, Sendable, Hashable {
    case accepted = "CommandAccepted"
    /// The decider said no.
    case rejected = "CommandRejected"
    /// The script raised an error, or what it returned cannot be kept.
    case failed = "CommandFailed"

    /// As commands and tables of SQL name it.
    public var word: String {
      switch self {
      case .accepted: "accepted"
      case .rejected: "rejected"
      case .failed: "failed"
      }
    }
  }

  public struct Event: Sendable, Hashable {
    public var id: String
    public var type: String
    public init(id: String, type: String) {
      self.id = id
      self.type = type
    }
  }

  public var verdict: Verdict
  public var command: String
  public var decider: String
  public var topic: String
  public var key: String
  /// The number of events of the stream after the decision.
  public var version: Int
  public var events: [Event] = []
  public var code = ""
  public var text = ""
  /// Where it lies in the log; everything that the command caused lies before the next.
  public var position: Position = .start

  init(_ verdict: Verdict, _ command: Command, _ decider: DeciderDefinition, version: Int) {
    self.verdict = verdict
    self.command = command.type
    self.decider = decider.name
    topic = decider.topic.text
    key = String(decoding: command.key, as: UTF8.self)
    self.version = version
  }

  /// Reads a record of kind `outcome`; nil when it is not readable.
  public init?(_ record: Record, in batch: RecordBatch) {
    let bytes = batch.bytes
    guard let verdict = Verdict(rawValue: bytes.text(record.envelope.type)) else { return nil }
    let data: JSONValue
    do throws(EnvelopeFault) {
      data = try JSONValue(parsing: Array(bytes[record.envelope.data.indices]))
    } catch { return nil }
    guard let command = data["command"]?.text, let decider = data["decider"]?.text,
      let topic = data["topic"]?.text, case .integer(let version)? = data["version"]
    else { return nil }
    self.verdict = verdict
    self.command = command
    self.decider = decider
    self.topic = topic
    self.version = Int(version)
    key = bytes.text(record.envelope.key)
    if case .array(let list)? = data["events"] {
      events = list.map { Event(id: $0["id"]?.text ?? "", type: $0["type"]?.text ?? "") }
    }
    code = data["code"]?.text ?? ""
    text = data["text"]?.text ?? ""
    position = record.position
  }

  private var eventList: JSONValue {
    .array(events.map { .object([.init("id", .string($0.id)), .init("type", .string($0.type))]) })
  }

  /// `[{"id":…,"type":…},…]`, in order.
  public var eventsJSON: String { eventList.compact }

  /// Appends it to `batch` as a draft.
  func draft(of command: Command, topic: TopicID, into batch: DraftBatch) {
    var envelope = Envelope(kind: .outcome, given: [.key, .source])
    func add(_ part: [UInt8]) -> ByteRange {
      batch.bytes.appendPart(part, ByteRange(start: 0, count: part.count))
    }
    envelope.source = add(command.source)
    envelope.id = add(command.id)
    envelope.type = add(Array(verdict.rawValue.utf8))
    envelope.key = add(command.key)
    envelope.meta = add(command.outcomeMeta)
    var members: [JSONValue.Member] = [
      .init("command", .string(self.command)), .init("decider", .string(decider)),
      .init("topic", .string(self.topic)), .init("version", .integer(Int64(version))),
    ]
    if verdict == .accepted {
      members.append(.init("events", eventList))
    } else {
      members += [.init("code", .string(code)), .init("text", .string(text))]
    }
    let start = batch.bytes.count
    JSONValue.object(members).append(to: &batch.bytes)
    envelope.data = ByteRange(start: start, count: batch.bytes.count - start)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }

  /// The outcome of a command, if it has a durable one.
  public static func find(
    _ identity: Command.Identity, in log: any EventLog
  ) throws(LogError) -> CommandOutcome? {
    guard let topic = log.topics().first(where: { $0.name == .outcomes }),
      let position = try log.position(
        of: .identity(topic: topic.id, source: identity.source, id: identity.id))
    else { return nil }
    let batch = RecordBatch()
    _ = try log.read(from: position, records: 1, bytes: 1, into: batch)
    return batch.records.first.flatMap { CommandOutcome($0, in: batch) }
  }
}

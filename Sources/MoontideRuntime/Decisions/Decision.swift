public import MoontideCore
import MoontideJSON

/// What a person decided about dead letters of one handler: the record of kind `decision` in the topic
/// `_decisions`, its key the handler's identity name.
///
/// `type` is the action. `data` is one JSON object:
///
/// | member | what |
/// | --- | --- |
/// | `positions` | the events that are meant, at most `Limits.decisionPositionsMax`, rising |
/// | `reason` | why, for people; may be missing |
/// | `data` | of a correction: what stands in the place of the event's `data`, byte for byte |
public struct Decision: Sendable, Hashable {
  public enum Action: String, Sendable, Hashable {
    /// Try them again.
    case retry = "DeadLettersRetried"
    /// Never apply them; what waits behind them goes on.
    case skip = "DeadLettersSkipped"
    /// Apply them with other data.
    case correct = "DeadLetterCorrected"
    /// A quarantined line was dealt with; of no handler.
    case settle = "LineSettled"
  }

  public var action: Action
  public var positions: [Position]
  public var reason: String
  /// A JSON object, or empty.
  public var data: [UInt8]

  public init(_ action: Action, _ positions: [Position], reason: String = "", data: [UInt8] = []) {
    precondition(
      (1...Limits.decisionPositionsMax).contains(positions.count),
      "a decision is about 1 to \(Limits.decisionPositionsMax) events, not \(positions.count)")
    precondition(data.isEmpty || action == .correct, "only a correction has data, not \(action)")
    self.action = action
    self.positions = positions.sorted()
    self.reason = reason
    self.data = data
  }

  /// The key of decisions about quarantined lines, which belong to no handler.
  public static let linesKey = "_lines"

  /// All decisions with that key, in the order of the log, each with its place.
  /// - Parameters:
  ///   - handler: the identity name of a handler, or `linesKey`.
  ///   - count: how many at most, the first ones; nil: all.
  public static func all(
    of handler: String, from log: any EventLog, count: Int? = nil
  ) throws(LogError) -> [(decision: Decision, place: Position)] {
    guard let topic = log.topics().first(where: { $0.name == .decisions }) else { return [] }
    var found: [(decision: Decision, place: Position)] = []
    let batch = RecordBatch()
    let end = count ?? .max
    var version = 0
    while version < end {
      let wanted = min(Limits.readRecordsMax, end - version)
      let next = try log.read(
        topic: topic.id, key: Array(handler.utf8), from: version, records: wanted, into: batch)
      if next == version { break }
      version = next
      for record in batch.records { found.append((Decision(record, in: batch), record.position)) }
    }
    return found
  }

  /// Reads a record of kind `decision`. One of an action that this version does not know, or that is not
  /// readable, is about no event.
  public init(_ record: Record, in batch: RecordBatch) {
    let bytes = batch.bytes
    let body = record.envelope.data
    let action = Action(rawValue: bytes.text(record.envelope.type))
    let list = JSONFields.value("positions", bytes, body)
    positions =
      action == nil
      ? []
      : bytes[(list ?? .empty).indices].split { !(0x30...0x39).contains($0) }.compactMap { digits in
        UInt64(String(decoding: digits, as: UTF8.self)).map(Position.init)
      }
    self.action = action ?? .settle
    reason = ""
    data = JSONFields.value("data", bytes, body).map { Array(bytes[$0.indices]) } ?? []
  }

  /// The record as a draft, its bytes appended to `batch`.
  /// - Parameters:
  ///   - handler: the identity name of the handler.
  ///   - id: unlike that of any other decision.
  ///   - topic: the log's number of `_decisions`.
  public func draft(handler: String, id: String, topic: TopicID, into batch: DraftBatch) {
    var envelope = Envelope(kind: .decision, given: [.key])
    envelope.id = batch.bytes.appendPart(id)
    envelope.type = batch.bytes.appendPart(action.rawValue)
    envelope.key = batch.bytes.appendPart(handler)
    let start = batch.bytes.count
    batch.bytes += Array(#"{"positions":["#.utf8)
    batch.bytes += Array(positions.map { String($0.value) }.joined(separator: ",").utf8)
    batch.bytes += Array("]".utf8)
    if !reason.isEmpty {
      batch.bytes += Array(#","reason":"#.utf8)
      JSONWriter.appendString(reason, to: &batch.bytes)
    }
    if !data.isEmpty { batch.bytes += Array(#","data":"#.utf8) + data }
    batch.bytes += Array("}".utf8)
    envelope.data = ByteRange(start: start, count: batch.bytes.count - start)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }
}

public import MoontideCore
import MoontideJSON

/// What came of an effect, as the log keeps it: the record of kind `result` in the topic `_results`, under
/// the handler's name as source and the effect's key as id (`KEY#2` for a second round), its key that of the
/// cause, its type the kind of the effect.
///
/// `data` is one JSON object:
///
/// | member | what |
/// | --- | --- |
/// | `ok` | whether it was done |
/// | `error` | why not |
/// | `status`, `headers`, `json` or `body`, `truncated` | of `http` |
/// | `status`, `stdout`, `stderr`, `truncated` | of `exec`: the exit code, and what it wrote |
/// | `attempts` | tries of this round |
/// | `about` | what the script handed through |
///
/// `meta` says what caused it, as that of an emitted event, and in `topic` the topic of the cause: there,
/// under its key, the handler sees the result.
public struct EffectResult: Sendable {
  /// A JSON object.
  public var data: [UInt8]
  public var isDone: Bool

  /// Of an outcome that ends the effect.
  init(_ outcome: EffectOutcome, attempts: Int, request: EffectTemplate) {
    isDone = outcome.verdict == .done
    var data = Array("{\"ok\":\(isDone)".utf8)
    if !isDone {
      data += Array(",\"error\":".utf8)
      JSONWriter.appendString(outcome.error, to: &data)
    }
    if !outcome.response.isEmpty { data += Array(",".utf8) + outcome.response }
    data += Array(",\"attempts\":\(attempts)".utf8)
    if let about = EffectRequest.about(request.shown) { data += Array(",\"about\":".utf8) + about }
    self.data = data + [UInt8(ascii: "}")]
  }

  /// Of a record of kind `result`.
  public init(_ record: Record, in batch: RecordBatch) {
    let data = Array(batch.bytes[record.envelope.data.indices])
    self.data = data
    isDone = JSONFields.value("ok", data, data.whole).map { data.text($0) == "true" } ?? false
  }

  /// Why it was not done; empty when it was.
  public var error: String {
    guard let range = JSONFields.value("error", data, data.whole) else { return "" }
    do throws(EnvelopeFault) { return try JSONValue(parsing: data, range).text ?? "" } catch {
      return data.text(range)
    }
  }

  /// The id of a round's result.
  static func id(_ effect: LedgerEffect) -> [UInt8] {
    Array((effect.round == 1 ? effect.key : "\(effect.key)#\(effect.round)").utf8)
  }

  /// Appends it to `batch` as a draft.
  func draft(of effect: LedgerEffect, maker: String, topic: TopicID, into batch: DraftBatch) {
    var envelope = Envelope(kind: .result, given: [.key, .source, .meta])
    func add(_ part: [UInt8]) -> ByteRange { batch.bytes.appendPart(part, part.whole) }
    envelope.id = add(Self.id(effect))
    envelope.source = add(Array(maker.utf8))
    envelope.type = add(Array(effect.kind.rawValue.utf8))
    envelope.key = add(effect.orderKey)
    envelope.data = add(data)
    envelope.meta = add(effect.meta)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }

  /// The result of an effect's round, if the log has one, durable or not.
  static func find(_ effect: LedgerEffect, maker: String, in log: any EventLog) throws(LogError)
    -> EffectResult?
  {
    guard let topic = log.topics().first(where: { $0.name == .results }),
      let position = try log.position(
        of: .identity(topic: topic.id, source: Array(maker.utf8), id: Self.id(effect)))
    else { return nil }
    if position >= log.durableEnd { try log.flush() }
    let batch = RecordBatch()
    _ = try log.read(from: position, records: 1, bytes: 1, into: batch)
    return batch.records.first.map { EffectResult($0, in: batch) }
  }

  /// The topic of the cause of a record of kind `result`, when it is one of that handler's.
  /// - Parameter maker: the handler's identity name.
  public static func topic(of record: Record, in batch: RecordBatch, maker: String) -> TopicName? {
    guard record.envelope.kind == .result,
      batch.bytes[record.envelope.source.indices].elementsEqual(maker.utf8),
      let range = JSONFields.value("topic", batch.bytes, record.envelope.meta)
    else { return nil }
    // A topic's name needs no escapes: what stands between the quotes is it.
    return TopicName(String(batch.bytes.text(range).dropFirst().dropLast()))
  }
}

public import MoontideCore
import MoontideJSON

/// What a record says of what caused it, in its `meta`: for those who follow causes through the log.
public struct RecordCause: Sendable, Hashable {
  /// The id of the cause. Ids are unlike each other in one topic and source only: `isOf` tells more.
  public var id: [UInt8]
  /// Of the whole chain; nil when it says none.
  public var correlation: [UInt8]?

  /// Nil for a record from outside.
  public init?(_ record: Record, in batch: RecordBatch) {
    guard !record.envelope.meta.isEmpty, let id = Self.field("causationid", record, batch) else { return nil }
    self.id = id
    correlation = Self.field("correlationid", record, batch)
  }

  /// The correlation id that a record hands on: its own, else its id.
  public static func correlation(of record: Record, in batch: RecordBatch) -> [UInt8] {
    field("correlationid", record, batch) ?? Array(batch.bytes[record.envelope.id.indices])
  }

  private static func field(_ name: String, _ record: Record, _ batch: RecordBatch) -> [UInt8]? {
    guard !record.envelope.meta.isEmpty,
      let written = JSONFields.value(name, batch.bytes, record.envelope.meta)
    else { return nil }
    if let plain = JSONFields.plainText(batch.bytes, written) { return plain }
    do throws(EnvelopeFault) {
      return try JSONValue(parsing: batch.bytes, written).text.map { Array($0.utf8) }
    } catch { return nil }
  }

  /// Whether an event, a command or a result was made of just that cause: its id then is a digest of the
  /// cause's source and id. Nil for an id that a script gave: then the cause's id is all there is.
  /// - Parameters:
  ///   - id: of what was made.
  ///   - maker: its source.
  ///   - isResult: whether it is the result of an effect.
  ///   - cause: source and id.
  ///   - topics: in which the cause may lie, or its decider decides.
  public static func isMade(
    _ id: [UInt8], by maker: [UInt8], isResult: Bool, of cause: (source: [UInt8], id: [UInt8]),
    topics: [TopicName]
  ) -> Bool? {
    let maker = String(decoding: maker, as: UTF8.self)
    let written = String(decoding: id, as: UTF8.self).prefix { $0 != "#" }
    guard written.hasPrefix(maker + "-"),
      let digest = Digest(hexadecimal: String(written.dropFirst(maker.count + 1)))
    else { return nil }
    let roots = isResult ? [Digest.zero.adding("effect")] : [.zero, Digest.zero.adding("decider")]
    let makers = roots.flatMap { root in
      topics.map {
        root.adding(maker).adding($0.text).adding(cause.source, cause.source.whole)
          .adding(cause.id, cause.id.whole)
      }
    }
    let ordinals = isResult ? Limits.effectsPerEventMax : Limits.emittedPerEventMax
    for ordinal in 0..<UInt64(ordinals) where makers.contains(where: { $0.adding(ordinal) == digest }) {
      return true
    }
    return false
  }
}

import CSimdjson
public import MoontideCore

/// Turns lines into drafts. One per thread. After the longest line was seen, a good line costs no
/// allocation.
public final class EnvelopeParser {
  private let parser: OpaquePointer
  /// `data` without whitespace, of lines that have some.
  private var minified: [UInt8] = []

  public init() {
    guard let parser = mt_envelope_parser_new(.moontide) else {
      preconditionFailure("no memory for a parser of a few kilobytes")
    }
    self.parser = parser
  }

  deinit { mt_envelope_parser_free(parser) }

  /// Reads one line (native envelope or CloudEvents 1.0 JSON) out of `source[line]` and appends it to
  /// `batch`: the bytes it names, and a draft of `topic` with its body digest. On a fault nothing is
  /// appended. `source` must hold `Limits.parserPaddingBytes` behind the line.
  ///
  /// The whole line is checked, down to the last value. `data` (and `meta`) keep their bytes; the other
  /// texts are decoded. Envelope: handlers.md, "The event"; CloudEvents: JSON Event Format 1.0.2, structured
  /// mode.
  public func parse(
    _ source: [UInt8], _ line: ByteRange, topic: TopicID, into batch: DraftBatch
  ) throws(EnvelopeFault) {
    precondition(
      line.end + Limits.parserPaddingBytes <= source.count,
      "a line that ends at \(line.end) of \(source.count) bytes has too little padding behind it")
    let found = source.withUnsafeBufferPointer { bytes in
      // The array holds at least its padding, so it has a base.
      mt_envelope_parse(parser, bytes.baseAddress! + Int(line.start), Int(line.count))!
    }
    if found.pointee.fault.kind != MT_JSON_OK.kind { throw EnvelopeFault(found.pointee.fault) }
    let base = batch.bytes.count
    batch.bytes.append(
      contentsOf: UnsafeBufferPointer(start: found.pointee.bytes, count: Int(found.pointee.count)))
    var envelope = EnvelopeParser.envelope(found.pointee, movedBy: base)
    if envelope.given.contains(.time) {
      guard let time = EventTime(batch.bytes, envelope.time) else {
        let text = batch.bytes.text(envelope.time)
        batch.bytes.removeLast(batch.bytes.count - base)
        throw EnvelopeFault(.time, "`time` must be RFC 3339 like 2019-05-20T07:07:47Z, not `\(text)`")
      }
      envelope.timeMicroseconds = time.microseconds
    }
    let body = digest(envelope, found.pointee, in: batch.bytes)
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
  }

  private static func envelope(_ found: mt_envelope, movedBy base: Int) -> Envelope {
    func part(_ part: mt_json_part) -> ByteRange {
      part.count == 0 ? .empty : ByteRange(start: base + Int(part.start), count: Int(part.count))
    }
    return Envelope(
      given: EnvelopeFields(rawValue: UInt8(truncatingIfNeeded: found.given)), version: found.version,
      id: part(found.id), source: part(found.source), type: part(found.type), key: part(found.key),
      time: part(found.time), data: part(found.data), meta: part(found.meta))
  }

  private func digest(_ envelope: Envelope, _ found: mt_envelope, in bytes: [UInt8]) -> Digest {
    guard let text = found.minified else {
      return BodyDigest.digest(of: envelope, in: bytes, data: envelope.data, in: bytes)
    }
    minified.removeAll(keepingCapacity: true)
    minified.append(contentsOf: UnsafeBufferPointer(start: text, count: Int(found.minified_count)))
    return BodyDigest.digest(
      of: envelope, in: bytes, data: ByteRange(start: 0, count: minified.count), in: minified)
  }
}

extension mt_envelope_limits {
  static var moontide: mt_envelope_limits {
    mt_envelope_limits(
      identity_max: UInt32(Limits.identityBytesMax), type_max: UInt32(Limits.typeBytesMax),
      time_max: UInt32(Limits.timeBytesMax), event_max: UInt32(Limits.eventBytesMax),
      depth_max: UInt32(Limits.jsonDepthMax), version_max: Limits.eventVersionMax)
  }
}

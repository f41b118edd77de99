import CSimdjson
public import MoontideCore

/// Checks whole JSON documents (RFC 8259) of any kind with the very parser that ingest uses. One per thread.
public final class JSONValidator {
  private let parser: OpaquePointer
  private var padded: [UInt8] = []

  public init() {
    guard let parser = mt_envelope_parser_new(.moontide) else {
      preconditionFailure("no memory for a parser of a few kilobytes")
    }
    self.parser = parser
  }

  deinit { mt_envelope_parser_free(parser) }

  /// Throws with the first fault when `bytes[range]` is not one JSON document, is longer than
  /// `Limits.eventBytesMax` or is nested deeper than `Limits.jsonDepthMax`. Copies the text when `bytes` has
  /// no `Limits.parserPaddingBytes` behind it.
  public func validate(_ bytes: [UInt8], _ range: ByteRange) throws(EnvelopeFault) {
    guard range.end + Limits.parserPaddingBytes <= bytes.count else {
      padded.removeAll(keepingCapacity: true)
      padded.append(contentsOf: bytes[range.indices])
      padded.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
      return try check(padded, ByteRange(start: 0, count: Int(range.count)))
    }
    try check(bytes, range)
  }

  public func validate(_ bytes: [UInt8]) throws(EnvelopeFault) {
    try validate(bytes, ByteRange(start: 0, count: bytes.count))
  }

  private func check(_ bytes: [UInt8], _ range: ByteRange) throws(EnvelopeFault) {
    let fault = bytes.withUnsafeBufferPointer { buffer in
      mt_json_validate(parser, buffer.baseAddress! + Int(range.start), Int(range.count))!.pointee
    }
    if fault.kind != MT_JSON_OK.kind { throw EnvelopeFault(fault) }
  }
}

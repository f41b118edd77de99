public import MoontideCore

/// Turns lines into drafts. One per thread.
public final class EnvelopeParser {
  public init() {}

  /// Reads one line (native envelope or CloudEvents 1.0 JSON) out of `source[line]` and appends it to `batch`:
  /// the bytes it names, and a draft of `topic` with its body digest. On a fault nothing is appended.
  /// `source` must hold `Limits.parserPaddingBytes` behind the line.
  public func parse(
    _ source: [UInt8], _ line: ByteRange, topic: TopicID, into batch: DraftBatch
  ) throws(EnvelopeFault) {
    throw EnvelopeFault(code: "E0200", reason: "not built yet")
  }
}

/// Why a line is not an event: the rule, then the values. Codes are of `explain`.
public struct EnvelopeFault: Error, Sendable, Hashable {
  public var code: String
  public var reason: String
  public init(code: String, reason: String) {
    self.code = code
    self.reason = reason
  }
}

/// The digest that tells a repeat from a conflict: two events of one identity have the same body exactly
/// when type, version, key, time (if given) and the tokens of `data`, in written order, are the same.
public enum BodyDigest {
  /// - Parameters:
  ///   - bytes: the buffer that `envelope` names parts of.
  ///   - data: `data` without any whitespace between its tokens, as a part of `dataBytes`.
  public static func digest(of envelope: Envelope, in bytes: [UInt8], data: ByteRange, in dataBytes: [UInt8])
    -> Digest
  {
    var seed = Digest(high: UInt64(envelope.version), low: envelope.given.contains(.time) ? 1 : 0)
    seed = seed.adding(bytes, envelope.type).adding(bytes, envelope.key)
    if envelope.given.contains(.time) { seed = seed.adding(bytes, envelope.time) }
    return seed.adding(dataBytes, data)
  }
}

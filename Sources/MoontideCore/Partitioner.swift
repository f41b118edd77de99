import CChecksum

/// Places a key on a partition as Kafka's default partitioner does: `(murmur2(key) & 0x7fffffff) % n`.
public enum Partitioner {
  /// The hash of Kafka's `Utils.murmur2`, signed as there.
  public static func murmur2(_ key: [UInt8]) -> Int32 { murmur2(key, ByteRange(start: 0, count: key.count)) }

  public static func murmur2(_ bytes: [UInt8], _ range: ByteRange) -> Int32 {
    precondition(range.end <= bytes.count, "range ends at \(range.end) of \(bytes.count) bytes")
    return unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return unsafe mt_murmur2([], 0) }
      return unsafe mt_murmur2(base + Int(range.start), Int(range.count))
    }
  }

  /// The partition, 0 to `partitions - 1`.
  public static func partition(_ bytes: [UInt8], _ range: ByteRange, of partitions: UInt16) -> UInt16 {
    precondition(partitions > 0, "a topic has at least one partition")
    return UInt16((UInt32(bitPattern: murmur2(bytes, range)) & 0x7fff_ffff) % UInt32(partitions))
  }
}

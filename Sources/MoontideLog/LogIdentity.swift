import MoontideCore

/// The 128 random bits that a log is born with: they tie segments, checkpoints and runs together, and they
/// key the hashes of the indexes and the checksums, so that bytes of one log never pass in another.
struct LogIdentity: Hashable, Sendable {
  let digest: Digest
  /// Every checksum of the log continues from this one of the identity's 16 bytes.
  let checksumSeed: UInt32

  init(_ digest: Digest) {
    self.digest = digest
    var bytes: [UInt8] = []
    bytes.add(digest.high)
    bytes.add(digest.low)
    checksumSeed = CRC32C.checksum(bytes, 0..<16)
  }

  /// 31 bits of it, never 0: what the files of handlers say to which log they belong.
  var mark: Int32 {
    let low = Int32(truncatingIfNeeded: digest.low & 0x7fff_ffff)
    return low == 0 ? 1 : low
  }

  /// The hash of an identity; several may share one, so a match is proven in the log.
  func hash(topic: TopicID, _ bytes: [UInt8], source: ByteRange, id: ByteRange) -> IndexHash {
    let seed = Digest(
      high: digest.high ^ (UInt64(topic.value) &* 0x9e37_79b9_7f4a_7c15), low: digest.low)
    let sum = seed.adding(bytes, source).adding(bytes, id)
    return IndexHash(value: sum.high, check: UInt16(truncatingIfNeeded: sum.low))
  }

  /// The hash of a key of a topic.
  func hash(topic: TopicID, _ bytes: [UInt8], key: ByteRange) -> IndexHash {
    let seed = Digest(
      high: digest.low ^ (UInt64(topic.value) &* 0x9e37_79b9_7f4a_7c15), low: digest.high)
    let sum = seed.adding(bytes, key)
    return IndexHash(value: sum.high, check: UInt16(truncatingIfNeeded: sum.low))
  }
}

/// 80 bits of a hash: 64 to sort and find by, 16 that the entry keeps beside the address.
struct IndexHash: Hashable, Sendable {
  var value: UInt64
  var check: UInt16
}

/// One entry of an index: hash, and `check << 48 | address`. An address is never 0, nor is the second word.
struct IndexEntry: Hashable, Comparable, Sendable, BitwiseCopyable {
  var hash: UInt64
  var word: UInt64

  init(hash: UInt64, word: UInt64) {
    self.hash = hash
    self.word = word
  }

  init(_ hash: IndexHash, _ address: LogAddress) {
    self.hash = hash.value
    word = UInt64(hash.check) << 48 | address.value
  }

  var address: LogAddress { LogAddress(word & LogAddress.mask) }
  func matches(_ other: IndexHash) -> Bool { hash == other.value && word >> 48 == UInt64(other.check) }

  static func < (a: IndexEntry, b: IndexEntry) -> Bool {
    a.hash != b.hash ? a.hash < b.hash : a.word < b.word
  }
}

import CChecksum

/// A 128-bit hash (MurmurHash3 x64 128): tells bodies and identities apart. Not cryptographic.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
  public var high: UInt64
  public var low: UInt64

  public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  public static let zero = Digest(high: 0, low: 0)

  /// The digest of `bytes[range]`, seeded with this one; chaining keeps the borders of the pieces.
  public func adding(_ bytes: [UInt8], _ range: ByteRange) -> Digest {
    precondition(range.end <= bytes.count, "range ends at \(range.end) of \(bytes.count) bytes")
    let sum = unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else {
        return unsafe mt_hash128(mt_digest(high: high, low: low), [], 0)
      }
      return unsafe mt_hash128(mt_digest(high: high, low: low), base + Int(range.start), Int(range.count))
    }
    return Digest(high: sum.high, low: sum.low)
  }

  public func adding(_ bytes: [UInt8]) -> Digest { adding(bytes, ByteRange(start: 0, count: bytes.count)) }

  public func adding(_ text: String) -> Digest {
    var text = text
    return text.withUTF8 { unsafe adding(UnsafeRawBufferPointer($0)) }
  }

  public func adding(_ number: UInt64) -> Digest {
    unsafe withUnsafeBytes(of: number.littleEndian) { unsafe adding($0) }
  }

  private func adding(_ bytes: UnsafeRawBufferPointer) -> Digest {
    guard let base = bytes.baseAddress else {
      let sum = unsafe mt_hash128(mt_digest(high: high, low: low), [], 0)
      return Digest(high: sum.high, low: sum.low)
    }
    let sum = unsafe mt_hash128(
      mt_digest(high: high, low: low), base.assumingMemoryBound(to: UInt8.self), bytes.count)
    return Digest(high: sum.high, low: sum.low)
  }

  /// From `description`.
  public init?(hexadecimal text: String) {
    guard text.utf8.count == 32, let high = UInt64(text.prefix(16), radix: 16),
      let low = UInt64(text.dropFirst(16), radix: 16)
    else { return nil }
    self.init(high: high, low: low)
  }

  /// 32 lower-case hexadecimal digits.
  public var description: String {
    unsafe String(unsafeUninitializedCapacity: 32) { digits in
      for place in 0..<32 {
        let word = place < 16 ? high : low
        let digit = UInt8(truncatingIfNeeded: word >> (60 - 4 * UInt64(place & 15))) & 15
        unsafe digits[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
      }
      return 32
    }
  }
}

/// CRC32C (RFC 3720 appendix B.4).
public enum CRC32C {
  /// The checksum of `bytes[range]`, continuing from `crc` (0 at the start).
  public static func checksum(_ bytes: [UInt8], _ range: Range<Int>, continuing crc: UInt32 = 0) -> UInt32 {
    precondition(
      range.lowerBound >= 0 && range.upperBound <= bytes.count, "range \(range) of \(bytes.count) bytes")
    return unsafe bytes.withUnsafeBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return crc }
      return unsafe mt_crc32c(crc, base + range.lowerBound, range.count)
    }
  }
}

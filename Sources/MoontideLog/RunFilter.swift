import MoontideCore

/// A split-block Bloom filter (Putze, Sanders, Singler 2007; the layout of Apache Parquet): one block of 256
/// bits for a hash, one bit in each of its eight words. Never says no to what was added.
struct RunFilter: Sendable {
  private static let salts = SIMD8<UInt32>(
    0x47b6_137b, 0x4497_4d91, 0x8824_ad5b, 0xa2b7_289d, 0x7054_95c7, 0x2df1_424b, 0x9efc_4947, 0x5c6b_fb31)
  static let blockBytes = 32

  private(set) var blocks: [SIMD8<UInt32>]

  init(entries: Int) {
    blocks = Array(repeating: .zero, count: Self.blockCount(entries: entries))
  }

  static func blockCount(entries: Int) -> Int { max(1, (entries * Limits.indexFilterBits + 255) / 256) }

  @inline(__always)
  private static func bits(_ hash: UInt64) -> SIMD8<UInt32> {
    let spread = SIMD8<UInt32>(repeating: UInt32(truncatingIfNeeded: hash)) &* salts
    return SIMD8<UInt32>(repeating: 1) &<< (spread &>> 27)
  }

  @inline(__always)
  private func block(_ hash: UInt64) -> Int { Int(((hash >> 32) &* UInt64(blocks.count)) >> 32) }

  mutating func add(_ hash: UInt64) { blocks[block(hash)] |= Self.bits(hash) }

  @inline(__always)
  func mayHold(_ hash: UInt64) -> Bool {
    let bits = Self.bits(hash)
    return (blocks[block(hash)] & bits) == bits
  }

  /// The bytes of some blocks, as they stand in the file (little-endian words).
  func encoded(_ range: Range<Int>) -> [UInt8] {
    blocks.withUnsafeBytes {
      Array($0[range.lowerBound * Self.blockBytes..<range.upperBound * Self.blockBytes])
    }
  }

  mutating func decode(_ bytes: [UInt8], count: Int, atBlock first: Int) {
    precondition(first + count <= blocks.count, "\(first) + \(count) of \(blocks.count) blocks")
    blocks.withUnsafeMutableBytes { target in
      bytes.withUnsafeBytes { source in
        let part = UnsafeRawBufferPointer(rebasing: source[0..<count * Self.blockBytes])
        UnsafeMutableRawBufferPointer(rebasing: target[(first * Self.blockBytes)...]).copyMemory(from: part)
      }
    }
  }
}

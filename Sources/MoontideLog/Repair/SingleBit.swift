import MoontideCore

/// Finds the one bit that flipped: a checksum that was right before says which.
///
/// CRC32C tells all single-bit errors of up to 2^31 bits apart. Where more than one bit is wrong, a wrong
/// answer has a chance of the number of bits tried in 2^32, so it is tried on a few KiB only, and callers
/// check more than the checksum.
enum SingleBit {
  /// Flips each bit of `bytes[range]` in turn until `holds`, and returns its number from the first byte; nil
  /// when none helps, and then nothing is changed.
  static func correct(_ bytes: inout [UInt8], _ range: Range<Int>, until holds: ([UInt8]) -> Bool) -> Int? {
    for at in range {
      for bit in 0..<8 {
        bytes[at] ^= 1 << UInt8(bit)
        if holds(bytes) { return (at - range.lowerBound) * 8 + bit }
        bytes[at] ^= 1 << UInt8(bit)
      }
    }
    return nil
  }
}

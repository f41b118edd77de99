/// Members of a gzip file (RFC 1952), each one stored block of deflate (RFC 1951, 3.2.4): what is packed is
/// longer than its contents, so that the two ways to count bytes never agree.
enum PackedLines {
  /// Bytes of a member beside its contents.
  static let overhead = 23

  static func member(_ contents: [UInt8]) -> [UInt8] {
    precondition(contents.count <= Int(UInt16.max), "a stored block holds 65535 bytes, not \(contents.count)")
    let count = UInt16(contents.count)
    var bytes: [UInt8] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1]
    for half in [count, ~count] { bytes += [UInt8(half & 255), UInt8(half >> 8)] }
    bytes += contents
    for word in [checksum(contents), UInt32(count)] {
      for shift in stride(from: 0, to: 32, by: 8) { bytes.append(UInt8(word >> UInt32(shift) & 255)) }
    }
    return bytes
  }

  /// CRC-32 of RFC 1952, bit by bit: some kilobytes a run.
  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    var sum = ~UInt32(0)
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xedb8_8320 : sum >> 1 }
    }
    return ~sum
  }
}

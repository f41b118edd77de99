/// Where a record or a batch begins: the segment's number (0 for the first; segments are never removed) and
/// the byte offset in its file, in 48 bits, so that an index entry has 16 bits left for a check.
struct LogAddress: Hashable, Comparable, Sendable {
  static let offsetBits: UInt64 = 30
  static let segmentBytesLimit: UInt64 = 1 << offsetBits
  static let mask: UInt64 = (1 << 48) - 1

  var value: UInt64

  init(_ value: UInt64) { self.value = value }

  init(segment: Int, offset: UInt64) {
    precondition(offset < Self.segmentBytesLimit, "byte offset \(offset) of a segment")
    precondition(segment < 1 << 18, "segment \(segment) of at most 2^18")
    value = UInt64(segment) << Self.offsetBits | offset
  }

  var segment: Int { Int(value >> Self.offsetBits) }
  var offset: UInt64 { value & (Self.segmentBytesLimit - 1) }

  static func < (a: LogAddress, b: LogAddress) -> Bool { a.value < b.value }
}

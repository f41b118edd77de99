/// A part of a byte buffer that is named beside it: `start ..< start + count`, both below 4 GiB.
@frozen public struct ByteRange: Hashable, Sendable {
  public var start: UInt32
  public var count: UInt32

  @inlinable public init(start: Int, count: Int) {
    self.start = UInt32(start)
    self.count = UInt32(count)
  }

  @inlinable public static var empty: ByteRange { ByteRange(start: 0, count: 0) }
  /// Exclusive.
  @inlinable public var end: Int { Int(start) + Int(count) }
  @inlinable public var isEmpty: Bool { count == 0 }
  @inlinable public var indices: Range<Int> { Int(start)..<end }
}

extension [UInt8] {
  /// The text of a part, for messages and tables; the hot path compares bytes instead.
  public func text(_ range: ByteRange) -> String { String(decoding: self[range.indices], as: UTF8.self) }

  /// Appends `text` and says where it lies.
  @discardableResult
  public mutating func appendPart(_ text: String) -> ByteRange {
    let start = count
    append(contentsOf: text.utf8)
    return ByteRange(start: start, count: count - start)
  }

  /// Appends a part of another buffer and says where it lies here.
  @discardableResult
  @inlinable public mutating func appendPart(_ bytes: [UInt8], _ range: ByteRange) -> ByteRange {
    let start = count
    append(contentsOf: bytes[range.indices])
    return ByteRange(start: start, count: count - start)
  }

  public func equals(_ range: ByteRange, _ other: [UInt8], _ otherRange: ByteRange) -> Bool {
    range.count == otherRange.count && self[range.indices].elementsEqual(other[otherRange.indices])
  }
}

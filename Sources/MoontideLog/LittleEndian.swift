/// Numbers in byte buffers, always little-endian: what every file of the log is made of.
extension [UInt8] {
  func number<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at index: Int) -> T {
    precondition(index >= 0 && index + MemoryLayout<T>.size <= count, "\(index) of \(count) bytes")
    return withUnsafeBytes { $0.number(type, at: index) }
  }

  mutating func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at index: Int) {
    precondition(index >= 0 && index + MemoryLayout<T>.size <= count, "\(index) of \(count) bytes")
    withUnsafeMutableBytes { $0.put(value, at: index) }
  }

  mutating func add<T: FixedWidthInteger & BitwiseCopyable>(_ value: T) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }

  /// Makes the buffer at least `bytes` long; never shorter, so that a reused buffer is not cleared again.
  mutating func grow(to bytes: Int) {
    if count < bytes { append(contentsOf: repeatElement(0, count: bytes - count)) }
  }
}

/// The hot loops of this room read and write through raw buffers: a bounds check and a shift for each byte of
/// a number would cost more than the checksum. Callers check the bounds of a whole record or header once.
extension UnsafeRawBufferPointer {
  @inline(__always)
  func number<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type, at index: Int) -> T {
    T(littleEndian: loadUnaligned(fromByteOffset: index, as: type))
  }
}

extension UnsafeMutableRawBufferPointer {
  @inline(__always)
  func put<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, at index: Int) {
    storeBytes(of: value.littleEndian, toByteOffset: index, as: T.self)
  }
}

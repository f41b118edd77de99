import MoontideCore

/// How long a file is and what its bytes sum up to, found out while it is read or copied: SQLite has no
/// checksums of its own.
struct CheckedCopy: Hashable, Sendable {
  var bytes: UInt64 = 0
  /// CRC32C.
  var checksum: UInt32 = 0

  init() {}

  /// Reads all of a file.
  init(of path: String, _ files: any FileSystem) throws(FileError) {
    try pass(try files.open(path, .read)) { _, _, _ throws(FileError) in }
  }

  /// Copies a file to a path where nothing is. Nothing is flushed.
  init(of source: String, to target: String, _ files: any FileSystem) throws(FileError) {
    let from = try files.open(source, .read)
    let copy = try files.open(target, .create)
    try pass(from) { buffer, count, offset throws(FileError) in
      try copy.write(buffer, 0..<count, at: offset)
    }
  }

  private mutating func pass(
    _ file: any File, _ take: ([UInt8], Int, UInt64) throws(FileError) -> Void
  ) throws(FileError) {
    var buffer = [UInt8](repeating: 0, count: Limits.copyBytes)
    while true {
      let count = try file.read(at: bytes, count: buffer.count, into: &buffer, at: 0)
      if count == 0 { return }
      checksum = CRC32C.checksum(buffer, 0..<count, continuing: checksum)
      try take(buffer, count, bytes)
      bytes += UInt64(count)
    }
  }
}

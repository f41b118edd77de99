import MoontideCore

/// Reads a tar archive, file after file.
struct TarReader {
  private let source: any File
  private let name: String
  private var at: UInt64 = 0
  private var current: TarHeader?
  private var buffer = [UInt8](repeating: 0, count: Limits.copyBytes)

  /// - Parameter name: for messages.
  init(_ source: any File, name: String) {
    self.source = source
    self.name = name
  }

  /// The header of the next file, whose content must be taken before the one after; nil at the end.
  mutating func next() throws(Diagnostic) -> TarHeader? {
    var bytes = [UInt8](repeating: 0, count: TarHeader.bytes)
    let got = try FileError.told { () throws(FileError) in
      try source.read(at: at, count: bytes.count, into: &bytes, at: 0)
    }
    if got == bytes.count, bytes.allSatisfy({ $0 == 0 }) { return nil }
    guard got == bytes.count, let header = TarHeader.decode(bytes) else {
      throw Diagnostic(.backupDamaged, "\(name) is damaged at byte \(at): no header of a file is there")
    }
    at += UInt64(bytes.count)
    current = header
    return header
  }

  /// Copies the content of the current file and returns its checksum.
  mutating func copy(to target: any File) throws(Diagnostic) -> UInt32 {
    var written: UInt64 = 0
    return try forEachPart { bytes, count throws(FileError) in
      try target.write(bytes, 0..<count, at: written)
      written += UInt64(count)
    }
  }

  /// The content of the current file, a small one.
  mutating func contents() throws(Diagnostic) -> [UInt8] {
    var contents: [UInt8] = []
    _ = try forEachPart { bytes, count throws(FileError) in contents += bytes[..<count] }
    return contents
  }

  private mutating func forEachPart(
    _ take: ([UInt8], Int) throws(FileError) -> Void
  ) throws(Diagnostic) -> UInt32 {
    guard let header = current else { preconditionFailure("a content is taken once, after its header") }
    current = nil
    var done: UInt64 = 0
    var checksum: UInt32 = 0
    while done < header.size {
      let want = Int(min(UInt64(buffer.count), header.size - done))
      let got: Int
      do throws(FileError) {
        got = try source.read(at: at + done, count: want, into: &buffer, at: 0)
        try take(buffer, got)
      } catch { throw error.diagnostic }
      guard got > 0 else {
        throw Diagnostic(.backupDamaged, "\(name) ends at byte \(at + done), in the middle of \(header.name)")
      }
      checksum = CRC32C.checksum(buffer, 0..<got, continuing: checksum)
      done += UInt64(got)
    }
    at += header.size + UInt64(TarHeader.padding(header.size))
    return checksum
  }
}

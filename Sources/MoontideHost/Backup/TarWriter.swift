import MoontideCore

/// Writes a tar archive, file after file.
struct TarWriter {
  private let target: any File
  private let seconds: Int64
  private var end: UInt64 = 0
  private var buffer = [UInt8](repeating: 0, count: Limits.copyBytes)
  /// What was added so far.
  private(set) var added: [BackupManifest.File] = []

  /// - Parameter seconds: the time of all files, since 1970.
  init(_ target: any File, seconds: Int64) {
    self.target = target
    self.seconds = seconds
  }

  /// Adds the first `bytes` bytes of a file.
  mutating func add(_ file: any File, as name: String, bytes: UInt64) throws(FileError) {
    try put(TarHeader(name: name, size: bytes, modifiedSeconds: seconds).encoded())
    var done: UInt64 = 0
    var checksum: UInt32 = 0
    while done < bytes {
      let want = Int(min(UInt64(buffer.count), bytes - done))
      let got = try file.read(at: done, count: want, into: &buffer, at: 0)
      guard got > 0 else {
        throw FileError(
          operation: "read", path: name, errno: 0, reason: "it ends at byte \(done) of \(bytes)")
      }
      checksum = CRC32C.checksum(buffer, 0..<got, continuing: checksum)
      try target.write(buffer, 0..<got, at: end)
      end += UInt64(got)
      done += UInt64(got)
    }
    try put([UInt8](repeating: 0, count: TarHeader.padding(bytes)))
    added.append(BackupManifest.File(name: name, bytes: bytes, checksum: checksum))
  }

  /// Adds the manifest and the end, and makes all of it durable; returns its size.
  mutating func finish(_ manifest: BackupManifest) throws(FileError) -> UInt64 {
    let text = Array(manifest.text.utf8)
    try put(
      TarHeader(name: BackupManifest.name, size: UInt64(text.count), modifiedSeconds: seconds).encoded())
    try put(text)
    try put([UInt8](repeating: 0, count: TarHeader.padding(UInt64(text.count)) + 1024))
    try target.sync()
    return end
  }

  private mutating func put(_ bytes: [UInt8]) throws(FileError) {
    try target.write(bytes, 0..<bytes.count, at: end)
    end += UInt64(bytes.count)
  }
}

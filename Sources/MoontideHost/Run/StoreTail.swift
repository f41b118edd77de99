import MoontideCore

/// The write-ahead log that a store's last process left beside it.
///
/// A flush that failed is never made up for by a later one: the system may have taken what it could not
/// write for written, still shows it to readers, and loses it with the power. SQLite takes over what it
/// reads there. So, as the log does with its own tail, whoever opens a store first writes these bytes down
/// once more, and flushes them. <https://www.sqlite.org/fileformat2.html#the_write_ahead_log>
enum StoreTail {
  private static let pieceBytes = 1 << 20

  /// Writes the same bytes to the same places; nothing when there are none. For who holds the project.
  static func renew(_ store: String, _ files: any FileSystem) throws(FileError) {
    let path = store + "-wal"
    guard let status = try files.status(path), status.bytes > 0 else { return }
    let file = try files.open(path, .readWrite)
    var offset: UInt64 = 0
    var piece: [UInt8] = Array(repeating: 0, count: pieceBytes)
    while offset < status.bytes {
      let wanted = min(pieceBytes, Int(status.bytes - offset))
      let count = try file.read(at: offset, count: wanted, into: &piece, at: 0)
      if count == 0 { break }
      try file.write(piece, 0..<count, at: offset)
      offset += UInt64(count)
    }
    try file.sync()
  }
}

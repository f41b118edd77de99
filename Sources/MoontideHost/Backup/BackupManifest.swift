import MoontideCore

/// The last file of a backup, `MANIFEST`: what must be in it. Lines of text: `moontide backup 2`, `log
/// IDENTITY`,
/// `position N` (exclusive: everything before it is in the backup), then `file CRC32C BYTES NAME` for each.
struct BackupManifest: Hashable {
  static let name = "MANIFEST"

  struct File: Hashable {
    var name: String
    var bytes: UInt64
    var checksum: UInt32
  }

  var log: String
  var position: Position
  var files: [File]

  var text: String {
    var lines = ["moontide backup 2", "log \(log)", "position \(position.value)"]
    for file in files { lines.append("file \(String(file.checksum, radix: 16)) \(file.bytes) \(file.name)") }
    return lines.joined(separator: "\n") + "\n"
  }

  init(log: String, position: Position, files: [File]) {
    self.log = log
    self.position = position
    self.files = files
  }

  /// Throws what a person must know of a backup of another format.
  init(text: String) throws(Diagnostic) {
    let lines = text.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 3).map(String.init) }
    guard let first = lines.first, first.count == 3, first[0] == "moontide", first[1] == "backup" else {
      throw Diagnostic(.backupDamaged, "the manifest of the backup is not one of Moontide's")
    }
    // The first format had neither kept scripts nor stores that were put away.
    guard ["1", "2"].contains(first[2]) else {
      throw Diagnostic(
        .logFormat, "the backup has format \(first[2]); this moontide reads up to 2")
    }
    guard lines.count >= 3, lines[1].count == 2, lines[2].count == 2, let position = UInt64(lines[2][1])
    else {
      throw Diagnostic(.backupDamaged, "the manifest of the backup is incomplete")
    }
    log = lines[1][1]
    self.position = Position(position)
    files = []
    for line in lines[3...] {
      guard line.count == 4, line[0] == "file", let checksum = UInt32(line[1], radix: 16),
        let bytes = UInt64(line[2])
      else {
        throw Diagnostic(.backupDamaged, "the manifest of the backup has a line that is none of its own")
      }
      files.append(File(name: line[3], bytes: bytes, checksum: checksum))
    }
  }
}

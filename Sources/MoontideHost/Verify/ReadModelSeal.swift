package import MoontideCore
package import MoontideSQLite

/// The digest that a read model carries beside it, `readmodels/NAME.digest`: what its tables held when a run
/// ended. SQLite has no checksums of its own, so a flipped bit is seen by nobody else.
///
/// Lines of text: `moontide digest 1`, `script VERSION`, `position N`, then `table ROWS DIGEST NAME` in the
/// order of the schema, at last `end CRC32C` of all bytes before that line. A seal speaks of one script and
/// one position only: for any other it says nothing. It is derived, and may be deleted.
package struct ReadModelSeal: Hashable {
  package let scriptVersion: String
  package let position: Position
  var contents: [TableContent]

  static func path(of readModel: String) -> String { String(readModel.dropLast("sqlite".count)) + "digest" }

  var text: String {
    var lines = ["moontide digest 1", "script \(scriptVersion)", "position \(position.value)"]
    for table in contents { lines.append("table \(table.rows) \(table.digest) \(table.table)") }
    return SealedLines.text(lines)
  }

  /// Nil for what is no sound seal: one that a power cut tore says nothing.
  init?(text: String) {
    guard let lines = SealedLines.words(of: text) else { return nil }
    guard lines.count >= 3, lines[0] == ["moontide", "digest", "1"], lines[1].count == 2, lines[2].count == 2,
      let position = UInt64(lines[2][1])
    else { return nil }
    scriptVersion = lines[1][1]
    self.position = Position(position)
    contents = []
    for line in lines[3...] {
      guard line.count == 4, let rows = UInt64(line[1]), let digest = Digest(hexadecimal: line[2]) else {
        return nil
      }
      contents.append(TableContent(table: line[3], rows: rows, digest: digest))
    }
  }

  init(scriptVersion: String, position: Position, contents: [TableContent]) {
    self.scriptVersion = scriptVersion
    self.position = position
    self.contents = contents
  }

  package static func read(_ readModel: String, _ files: any FileSystem) throws(FileError) -> ReadModelSeal? {
    let path = path(of: readModel)
    guard try files.status(path) != nil else { return nil }
    return ReadModelSeal(
      text: String(decoding: try files.contents(path, bytesMax: Limits.sealBytesMax), as: UTF8.self))
  }

  func write(_ readModel: String, _ files: any FileSystem) throws(FileError) {
    try files.replace(ReadModelSeal.path(of: readModel), with: Array(text.utf8))
  }

  static func remove(_ readModel: String, _ files: any FileSystem) throws(FileError) {
    try files.remove(path(of: readModel))
  }

  /// The tables whose rows are not those that were sealed.
  package func differences(_ now: [TableContent]) -> [String] {
    let known = Dictionary(uniqueKeysWithValues: contents.map { ($0.table, $0) })
    return now.filter { known[$0.table] != $0 }.map(\.table)
  }
}

extension FileSystem {
  /// Puts a file in the place of another at once, so that a reader sees the one or the other.
  /// - Parameter isFlushed: whether that is so after a power cut too, once its folder was flushed.
  func replace(_ path: String, with bytes: [UInt8], isFlushed: Bool = false) throws(FileError) {
    let beside = path + ".new"
    try remove(beside)
    do throws(FileError) {
      let file = try open(beside, .create)
      try file.write(bytes, 0..<bytes.count, at: 0)
      if isFlushed { try file.sync() }
    } catch {
      // A full disk should not stay full of this.
      try remove(beside)
      throw error
    }
    CrashPoint.reach(.duringSeal)
    try rename(beside, to: path)
  }
}

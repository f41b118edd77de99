import MoontideCore

/// What is written beside a kept fold of a read model, `POSITION-RANDOM.note`: of what it is the fold, and by
/// which bytes it is known again. Written last, so that a fold without one is not finished; both are derived
/// and may be deleted.
///
/// Lines of text, each a word and its values: `moontide fold 1`, `log`, `script`, `position`, `fingerprint`,
/// `latest`, `leftout` (the earliest time, and how many), `decided`, `role`, `bytes`, `checksum` (CRC32C of
/// the file), and at last `end` with the CRC32C of all bytes before that line.
struct FoldNote: Hashable, Sendable {
  enum Role: String, Sendable {
    /// A place to go on from, for many moments.
    case mark
    /// What somebody asked for.
    case answer
  }

  /// Of the log's birth, 32 hexadecimal digits.
  var log: String
  /// Of all that made its rows beside the events: the content of its scripts, the budget, the binary.
  var scriptVersion: String
  /// The first position that has no part in it.
  var position: Position
  /// Of the log before that position.
  var fingerprint: Digest
  var span: FoldSpan
  /// How many decisions about its dead letters the rows follow.
  var decided: Int
  var role: Role
  /// Of the file.
  var bytes: UInt64 = 0
  var checksum: UInt32 = 0

  var text: String {
    SealedLines.text([
      "moontide fold 1", "log \(log)", "script \(scriptVersion)", "position \(position.value)",
      "fingerprint \(fingerprint)", "latest \(span.latest)",
      "leftout \(span.earliestLeftOut) \(span.leftOut)", "decided \(decided)", "role \(role.rawValue)",
      "bytes \(bytes)", "checksum \(checksum)",
    ])
  }

  /// Nil for what is no sound note.
  init?(text: String) {
    let names = [
      "moontide", "log", "script", "position", "fingerprint", "latest", "leftout", "decided", "role", "bytes",
      "checksum",
    ]
    guard let lines = SealedLines.words(of: text), lines.map({ $0.first ?? "" }) == names,
      lines[0] == ["moontide", "fold", "1"],
      lines[1...].allSatisfy({ $0.count == ($0[0] == "leftout" ? 3 : 2) }),
      let position = UInt64(lines[3][1]),
      let fingerprint = Digest(hexadecimal: lines[4][1]), let latest = Int64(lines[5][1]),
      let earliest = Int64(lines[6][1]), let leftOut = UInt64(lines[6][2]), let decided = Int(lines[7][1]),
      let role = Role(rawValue: lines[8][1]), let bytes = UInt64(lines[9][1]),
      let checksum = UInt32(lines[10][1])
    else { return nil }
    self.init(
      log: lines[1][1], scriptVersion: lines[2][1], position: Position(position), fingerprint: fingerprint,
      span: FoldSpan(latest: latest, earliestLeftOut: earliest, leftOut: leftOut), decided: decided,
      role: role, bytes: bytes, checksum: checksum)
  }

  init(
    log: String, scriptVersion: String, position: Position, fingerprint: Digest, span: FoldSpan, decided: Int,
    role: Role, bytes: UInt64 = 0, checksum: UInt32 = 0
  ) {
    self.log = log
    self.scriptVersion = scriptVersion
    self.position = position
    self.fingerprint = fingerprint
    self.span = span
    self.decided = decided
    self.role = role
    self.bytes = bytes
    self.checksum = checksum
  }
}

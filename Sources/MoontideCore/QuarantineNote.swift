/// Why a line was set aside, and the line itself: what the `data` of a quarantine record says.
public struct QuarantineNote: Sendable, Hashable, Codable {
  /// The key of all quarantine records, so that they can be listed without a scan of the log.
  public static let key = Array("line".utf8)

  /// A code of `explain`, such as `E0201`.
  public var code: String
  /// The reason, for a person.
  public var reason: String
  /// The path of the file below the project, or what else it came from (`append`).
  public var file: String
  /// The number of the line in its file, from 1.
  public var line: UInt64
  /// Of the first byte of the line in the (unpacked) file, from 0.
  public var byteOffset: UInt64
  /// The length of the whole line in bytes, without its newline.
  public var lineBytes: UInt64
  /// The line's bytes as they came, at most `Limits.quarantineBytesMax`, in base 64.
  public var rawBase64: String
  /// For a conflict: the position of the event that holds the identity.
  public var conflictPosition: UInt64?

  public init(
    code: String, reason: String, file: String, line: UInt64, byteOffset: UInt64, lineBytes: UInt64,
    rawBase64: String, conflictPosition: UInt64? = nil
  ) {
    self.code = code
    self.reason = reason
    self.file = file
    self.line = line
    self.byteOffset = byteOffset
    self.lineBytes = lineBytes
    self.rawBase64 = rawBase64
    self.conflictPosition = conflictPosition
  }
}

import MoontideHost

/// The value of `-d`: an object, `@FILE`, or `-` for stdin.
enum ObjectOption {
  /// The object on one line: a newline in it would end the event's line; outside of strings JSON allows a
  /// space there, inside of strings it allows no newline at all.
  static func bytes(_ data: String) throws -> [UInt8] {
    let bytes =
      data == "-"
      ? try TextFile.bytes("-")
      : data.hasPrefix("@") ? try TextFile.bytes(String(data.dropFirst())) : Array(data.utf8)
    return try GivenJSON.checked(bytes).map {
      $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") ? UInt8(ascii: " ") : $0
    }
  }
}

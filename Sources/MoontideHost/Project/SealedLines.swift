import MoontideCore

/// Small files of text that are derived: lines of words, at last `end CRC32C`, the checksum in base 16 of all
/// bytes before that line. One that a power cut tore says nothing.
enum SealedLines {
  static func text(_ lines: [String]) -> String {
    let body = lines.map { $0 + "\n" }.joined()
    return body + end(of: body)
  }

  /// The words of each line before the last; the fourth is the rest of its line. Nil when it is not sound.
  static func words(of text: String) -> [[String]]? {
    let lines = text.split(separator: "\n")
    guard let last = lines.last, text.hasSuffix(last + "\n") else { return nil }
    let body = String(text.dropLast(last.count + 1))
    guard last + "\n" == end(of: body) else { return nil }
    return lines.dropLast().map { $0.split(separator: " ", maxSplits: 3).map(String.init) }
  }

  private static func end(of body: String) -> String {
    let bytes = Array(body.utf8)
    return "end \(String(CRC32C.checksum(bytes, 0..<bytes.count), radix: 16))\n"
  }
}

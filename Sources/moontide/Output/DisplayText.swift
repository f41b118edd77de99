/// Text as a terminal shows it: what would move the cursor or reorder the line is made visible, and
/// widths are in columns.
enum DisplayText {
  /// `text` on one line: control characters, line ends and bidirectional overrides become escapes (`\n`,
  /// `\t`, `\x1b`, `\u{202e}`), so that data cannot steer the terminal.
  static func escaped(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: mustEscape) else { return text }
    return text.unicodeScalars.reduce(into: "") { result, scalar in
      if mustEscape(scalar) { result += escape(scalar) } else { result.unicodeScalars.append(scalar) }
    }
  }

  /// The same, but line ends stay.
  static func escapedLines(_ text: String) -> [String] {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { escaped(String($0)) }
  }

  /// How many columns a terminal gives to `text`, which is escaped already.
  static func width(_ text: String) -> Int {
    if text.utf8.allSatisfy({ $0 < 0x80 }) { return text.utf8.count }
    return text.reduce(0) { $0 + width($1) }
  }

  static func width(_ character: Character) -> Int {
    guard let first = character.unicodeScalars.first else { return 0 }
    let properties = first.properties
    if properties.isEmojiPresentation || isWide(first.value) { return 2 }
    switch properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: return 1
    }
  }

  /// At most `columns` columns of `text`, the cut marked by `…`.
  static func clipped(_ text: String, to columns: Int) -> String {
    if width(text) <= columns { return text }
    var result = ""
    var used = 0
    for character in text {
      let step = width(character)
      if used + step > columns - 1 { break }
      result.append(character)
      used += step
    }
    return result + "…"
  }

  static func padded(_ text: String, to columns: Int, right: Bool = false) -> String {
    let space = String(repeating: " ", count: max(0, columns - width(text)))
    return right ? space + text : text + space
  }

  private static func mustEscape(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0..<0x20, 0x7f..<0xa0, 0x2028, 0x2029, 0x202a...0x202e, 0x2066...0x2069: true
    default: false
    }
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    default:
      scalar.value < 0x100
        ? "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
        : "\\u{" + String(scalar.value, radix: 16) + "}"
    }
  }

  /// The large blocks of East Asian Wide and Fullwidth (Unicode Standard Annex 11).
  private static func isWide(_ value: UInt32) -> Bool {
    switch value {
    case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0x33ff, 0x3400...0x4dbf, 0x4e00...0x9fff,
      0xa000...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
      0xffe0...0xffe6, 0x1f300...0x1f64f, 0x1f900...0x1f9ff, 0x20000...0x3fffd:
      true
    default: false
    }
  }
}

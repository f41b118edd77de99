/// The words of an SQL text with their places: enough of its grammar to find names and statement ends.
/// <https://www.sqlite.org/lang.html>, tokens as in SQLite's tokenize.c.
public struct SQLWords {
  public struct Token {
    public enum Kind {
      case word, quotedName, text, symbol
    }
    public var kind: Kind
    /// Quotes removed.
    public var text: String
    /// Byte offsets in the text.
    public var range: Range<Int>
  }

  public private(set) var tokens: [Token] = []

  /// Names and keywords, quotes removed, in order.
  public var words: [String] { tokens.filter { $0.kind == .word || $0.kind == .quotedName }.map { $0.text } }

  public init(_ sql: String) {
    let bytes = Array(sql.utf8)
    var at = 0
    while at < bytes.count {
      let byte = bytes[at]
      let start = at
      switch byte {
      case UInt8(ascii: " "), 9, 10, 12, 13: at += 1
      case UInt8(ascii: "-") where at + 1 < bytes.count && bytes[at + 1] == byte:
        while at < bytes.count, bytes[at] != 10 { at += 1 }
      case UInt8(ascii: "/") where at + 1 < bytes.count && bytes[at + 1] == UInt8(ascii: "*"):
        at += 2
        while at < bytes.count,
          !(bytes[at] == UInt8(ascii: "/") && bytes[at - 1] == UInt8(ascii: "*")) || at < start + 3
        { at += 1 }
        at = min(at + 1, bytes.count)
      case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "`"), UInt8(ascii: "["):
        at = SQLWords.end(ofQuoted: bytes, at)
        let text = SQLWords.unquoted(bytes[start..<at])
        tokens.append(
          Token(kind: byte == UInt8(ascii: "'") ? .text : .quotedName, text: text, range: start..<at))
      case _ where SQLWords.isName(byte):
        while at < bytes.count, SQLWords.isName(bytes[at]) { at += 1 }
        tokens.append(
          Token(kind: .word, text: String(decoding: bytes[start..<at], as: UTF8.self), range: start..<at))
      default:
        at += 1
        tokens.append(
          Token(kind: .symbol, text: String(decoding: [byte], as: UTF8.self), range: start..<at))
      }
    }
  }

  /// Where a name stands first, whatever its case.
  func place(of name: String) -> Range<Int>? {
    let wanted = name.lowercased()
    return tokens.first { ($0.kind == .word || $0.kind == .quotedName) && $0.text.lowercased() == wanted }?
      .range
  }

  /// Whether `schema.table` is written out anywhere.
  func names(_ table: String, in schema: String) -> Bool {
    let (table, schema) = (table.lowercased(), schema.lowercased())
    guard tokens.count >= 3 else { return false }
    return tokens.indices.dropLast(2).contains { index in
      tokens[index].text.lowercased() == schema && tokens[index + 1].text == "."
        && tokens[index + 2].text.lowercased() == table
    }
  }

  private static func isName(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"), 0x80...:
      true
    default: false
    }
  }

  private static func end(ofQuoted bytes: [UInt8], _ start: Int) -> Int {
    let close = bytes[start] == UInt8(ascii: "[") ? UInt8(ascii: "]") : bytes[start]
    var at = start + 1
    while at < bytes.count {
      if bytes[at] == close {
        if close != UInt8(ascii: "]"), at + 1 < bytes.count, bytes[at + 1] == close {
          at += 2
          continue
        }
        return at + 1
      }
      at += 1
    }
    return bytes.count
  }

  private static func unquoted(_ bytes: ArraySlice<UInt8>) -> String {
    guard bytes.count >= 2, let quote = bytes.first else { return "" }
    var result: [UInt8] = []
    var isDoubled = false
    for byte in bytes.dropFirst().dropLast() {
      if byte == quote, quote != UInt8(ascii: "["), !isDoubled {
        isDoubled = true
        result.append(byte)
      } else if isDoubled, byte == quote {
        isDoubled = false
      } else {
        isDoubled = false
        result.append(byte)
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

import MoontideCore

/// Cuts Lua text into tokens, one pass over the bytes.
struct ScriptScanner {
  let text: [UInt8]
  private var at = 0
  private var line = 1
  private var tokens: [ScriptTokens.Token] = []

  private static let keywords: Set<String> = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local",
    "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
  ]
  /// Longest first.
  private static let symbols: [[UInt8]] = [
    "...", "..", "==", "~=", "<=", ">=", "//", "::", "<<", ">>",
  ].map { Array($0.utf8) }

  init(text: [UInt8]) { self.text = text }

  mutating func scan() -> [ScriptTokens.Token] {
    if peek() == UInt8(ascii: "#") { skipLine() }
    while at < text.count {
      let byte = text[at]
      switch byte {
      case UInt8(ascii: "\n"):
        line += 1
        at += 1
      case UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r"), 0x0b, 0x0c:
        at += 1
      case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"): skipComment()
      case UInt8(ascii: "\""), UInt8(ascii: "'"): takeString(quote: byte)
      case UInt8(ascii: "["):
        if let level = longBracketLevel(at) {
          let start = at
          let startLine = line
          let closed = skipLongBracket(level)
          add(closed ? .string : .unknown, from: start, line: startLine)
        } else {
          takeSymbol()
        }
      default:
        if Self.isDigit(byte) || (byte == UInt8(ascii: ".") && Self.isDigit(peek(1))) {
          takeNumber()
        } else if Self.isNameStart(byte) {
          takeName()
        } else {
          takeSymbol()
        }
      }
    }
    return tokens
  }

  private func peek(_ ahead: Int = 0) -> UInt8 { at + ahead < text.count ? text[at + ahead] : 0 }

  private mutating func add(_ kind: ScriptTokens.Kind, from start: Int, line: Int) {
    tokens.append(.init(kind: kind, part: ByteRange(start: start, count: at - start), line: line))
  }

  private mutating func skipLine() {
    while at < text.count, text[at] != UInt8(ascii: "\n") { at += 1 }
  }

  private mutating func skipComment() {
    at += 2
    if peek() == UInt8(ascii: "["), let level = longBracketLevel(at) {
      _ = skipLongBracket(level)
    } else {
      skipLine()
    }
  }

  /// The number of `=` of a long bracket that opens here, or nil.
  private func longBracketLevel(_ start: Int) -> Int? {
    var end = start + 1
    while end < text.count, text[end] == UInt8(ascii: "=") { end += 1 }
    return end < text.count && text[end] == UInt8(ascii: "[") ? end - start - 1 : nil
  }

  /// Moves behind the closing bracket; false when there is none.
  private mutating func skipLongBracket(_ level: Int) -> Bool {
    at += level + 2
    let closing =
      [UInt8(ascii: "]")] + [UInt8](repeating: UInt8(ascii: "="), count: level) + [UInt8(ascii: "]")]
    while at < text.count {
      if text[at] == UInt8(ascii: "]"), text[at...].starts(with: closing) {
        at += closing.count
        return true
      }
      if text[at] == UInt8(ascii: "\n") { line += 1 }
      at += 1
    }
    return false
  }

  private mutating func takeString(quote: UInt8) {
    let start = at
    let startLine = line
    at += 1
    while at < text.count, text[at] != quote {
      if text[at] == UInt8(ascii: "\n") {
        add(.unknown, from: start, line: startLine)
        return
      }
      if text[at] == UInt8(ascii: "\\") {
        at += 1
        if peek() == UInt8(ascii: "z") {
          at += 1
          while at < text.count, Self.isSpace(text[at]) {
            if text[at] == UInt8(ascii: "\n") { line += 1 }
            at += 1
          }
          continue
        }
        if peek() == UInt8(ascii: "\n") { line += 1 }
      }
      at += 1
    }
    let closed = at < text.count
    at = min(at + 1, text.count)
    add(closed ? .string : .unknown, from: start, line: startLine)
  }

  private mutating func takeNumber() {
    let start = at
    let isHex = text[at] == UInt8(ascii: "0") && (peek(1) | 0x20) == UInt8(ascii: "x")
    if isHex { at += 2 }
    let exponent = UInt8(ascii: isHex ? "p" : "e")
    while at < text.count {
      let byte = text[at]
      if (byte | 0x20) == exponent, peek(1) == UInt8(ascii: "+") || peek(1) == UInt8(ascii: "-") {
        at += 2
      } else if Self.isDigit(byte) || Self.isNameStart(byte) || byte == UInt8(ascii: ".") {
        at += 1
      } else {
        break
      }
    }
    add(.number, from: start, line: line)
  }

  private mutating func takeName() {
    let start = at
    while at < text.count, Self.isNameStart(text[at]) || Self.isDigit(text[at]) { at += 1 }
    let word = text.text(ByteRange(start: start, count: at - start))
    add(Self.keywords.contains(word) ? .keyword : .name, from: start, line: line)
  }

  private mutating func takeSymbol() {
    let start = at
    if let symbol = Self.symbols.first(where: { text[at...].starts(with: $0) }) {
      at += symbol.count
      add(.symbol, from: start, line: line)
      return
    }
    let isSymbol = "+-*/%^#&~|<>=(){}[];:,.".utf8.contains(text[at])
    at += 1
    add(isSymbol ? .symbol : .unknown, from: start, line: line)
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- UInt8(ascii: "0") < 10 }
  private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
  private static func isNameStart(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte == UInt8(ascii: "_")
  }
}

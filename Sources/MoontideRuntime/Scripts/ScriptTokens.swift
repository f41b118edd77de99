public import MoontideCore
public import MoontideLua

/// The tokens of a Lua 5.4 script (reference manual §3.1), with their places. It never fails: what is not Lua
/// becomes tokens of kind `unknown`, so that errors can still be pointed at.
public struct ScriptTokens: Sendable {
  public enum Kind: UInt8, Sendable {
    case name = 1
    case keyword, number, string, symbol, unknown
  }

  public struct Token: Sendable, Hashable {
    public var kind: Kind
    /// Its bytes in the script, quotes and brackets included.
    public var part: ByteRange
    /// Of its first byte, from 1.
    public var line: Int
  }

  public let source: ScriptSource
  /// In order; comments and whitespace are left out.
  public let tokens: [Token]
  /// Byte offsets at which the lines begin.
  private let lineStarts: [Int]

  public init(_ source: ScriptSource) {
    self.source = source
    var scanner = ScriptScanner(text: source.text)
    tokens = scanner.scan()
    var starts = [0]
    for (index, byte) in source.text.enumerated() where byte == UInt8(ascii: "\n") {
      starts.append(index + 1)
    }
    lineStarts = starts
  }

  /// Changes with any token, not with comments, whitespace or the name of the file.
  public var digest: Digest {
    var digest = Digest.zero
    for token in tokens {
      digest = digest.adding(UInt64(token.kind.rawValue)).adding(source.text, token.part)
    }
    return digest
  }

  /// The bytes of a token as text.
  public func text(_ token: Token) -> String { source.text.text(token.part) }

  /// The text of line `line` (from 1) without its end, or nil when there is none.
  public func lineText(_ line: Int) -> String? {
    guard line >= 1, line <= lineStarts.count else { return nil }
    let start = lineStarts[line - 1]
    var end = line < lineStarts.count ? lineStarts[line] - 1 : source.text.count
    if end > start, source.text[end - 1] == UInt8(ascii: "\r") { end -= 1 }
    return source.text.text(ByteRange(start: start, count: end - start))
  }

  /// The line of a byte, from 1.
  public func line(ofByte offset: Int) -> Int {
    var low = 0
    var high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return low + 1
  }

  /// The column of a byte in characters, from 1.
  public func column(ofByte offset: Int) -> Int {
    let start = lineStarts[line(ofByte: offset) - 1]
    let end = max(start, min(offset, source.text.count))
    return source.text.text(ByteRange(start: start, count: end - start)).count + 1
  }

  /// The place of a token, with its line as excerpt.
  public func place(of token: Token, label: String = "") -> SourcePlace {
    let lineEnd = lineStarts.count > token.line ? lineStarts[token.line] - 1 : source.text.count
    let shown = ByteRange(
      start: Int(token.part.start), count: max(0, min(token.part.end, lineEnd) - Int(token.part.start)))
    return SourcePlace(
      file: source.path, line: token.line, column: column(ofByte: Int(token.part.start)),
      width: max(1, source.text.text(shown).count), label: label, excerpt: lineText(token.line))
  }

  /// The place of a line; points at the last token `blamed` of the line when it holds one.
  public func place(line: Int, blaming blamed: String?, label: String = "") -> SourcePlace {
    if let blamed, let token = tokens.last(where: { $0.line == line && names($0, blamed) }) {
      return place(of: token, label: label)
    }
    return SourcePlace(file: source.path, line: line, excerpt: lineText(line))
  }

  /// Whether the token is this name, symbol or number, or a string of that content.
  func names(_ token: Token, _ word: String) -> Bool {
    text(token) == word || (token.kind == .string && content(of: token) == Array(word.utf8))
  }

  /// Whether the token is that symbol or keyword.
  func isSymbol(_ index: Int, _ symbol: String) -> Bool {
    guard tokens.indices.contains(index), tokens[index].kind == .symbol || tokens[index].kind == .keyword
    else { return false }
    return text(tokens[index]) == symbol
  }

  /// What a string token stands for; nil when it is no string.
  func content(of token: Token) -> [UInt8]? {
    guard token.kind == .string else { return nil }
    return StringLiteral(source.text, token.part).content
  }

  /// The byte of the script where byte `offset` of a string token's content was written.
  func byte(ofContent offset: Int, in token: Token) -> Int? {
    guard token.kind == .string else { return nil }
    let places = StringLiteral(source.text, token.part).places
    return offset < places.count ? places[offset] : places.last
  }
}

/// Blanks what is not code: comments and the insides of strings become spaces, line ends stay, so that
/// every byte keeps its place. Interpolations count as inside. Knows Swift (nested comments, raw
/// and multi-line strings) and C and C++ (characters, raw strings, digit separators).
struct CodeScanner {
  enum Language { case swift, c }

  /// As long as the input.
  private(set) var code: [UInt8]
  /// The text of comments, the rest blank; as long as the input.
  private(set) var comments: [UInt8]
  /// From 0: lines that lie inside of a multi-line string.
  private(set) var stringLines: Set<Int> = []

  private let bytes: [UInt8]
  private let language: Language
  private var at = 0
  private var line = 0

  init(_ text: String, _ language: Language) {
    bytes = Array(text.utf8)
    code = bytes.map { $0 == UInt8(ascii: "\n") ? $0 : UInt8(ascii: " ") }
    comments = code
    self.language = language
    scan()
  }

  private func has(_ text: StaticString, at index: Int? = nil) -> Bool {
    let start = index ?? at
    guard start + text.utf8CodeUnitCount <= bytes.count else { return false }
    return bytes[start..<start + text.utf8CodeUnitCount].elementsEqual(text.description.utf8)
  }

  private mutating func skip(_ count: Int = 1, comment: Bool = false) {
    for _ in 0..<count where at < bytes.count {
      if comment { comments[at] = bytes[at] }
      if bytes[at] == UInt8(ascii: "\n") { line += 1 }
      at += 1
    }
  }

  private mutating func scan() {
    while at < bytes.count {
      if has("//") {
        while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { skip(comment: true) }
      } else if has("/*") {
        skipBlockComment()
      } else if language == .c, bytes[at] == UInt8(ascii: "'"), !isAfterDigit {
        skipQuoted(UInt8(ascii: "'"))
      } else if language == .c, has("R\"") {
        skipRawC()
      } else if let hashes = stringStart() {
        language == .swift ? skipSwiftString(hashes: hashes) : skipQuoted(UInt8(ascii: "\""))
      } else {
        code[at] = bytes[at]
        skip()
      }
    }
  }

  private var isAfterDigit: Bool {
    at > 0 && (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(bytes[at - 1])
  }

  /// How many `#` stand before the quote that begins here; nil when no string begins.
  private func stringStart() -> Int? {
    var index = at
    while language == .swift, index < bytes.count, bytes[index] == UInt8(ascii: "#") { index += 1 }
    return index < bytes.count && bytes[index] == UInt8(ascii: "\"") ? index - at : nil
  }

  private mutating func skipBlockComment() {
    var depth = 0
    repeat {
      if has("/*"), depth == 0 || language == .swift {
        depth += 1
        skip(2, comment: true)
      } else if has("*/") {
        depth -= 1
        skip(2, comment: true)
      } else {
        skip(comment: true)
      }
    } while depth > 0 && at < bytes.count
  }

  private mutating func skipQuoted(_ quote: UInt8) {
    skip()
    while at < bytes.count, bytes[at] != quote, bytes[at] != UInt8(ascii: "\n") {
      skip(bytes[at] == UInt8(ascii: "\\") ? 2 : 1)
    }
    skip()
  }

  private mutating func skipRawC() {
    var end = at + 2
    while end < bytes.count, bytes[end] != UInt8(ascii: "(") { end += 1 }
    let close = [UInt8(ascii: ")")] + bytes[(at + 2)..<end] + [UInt8(ascii: "\"")]
    let first = line
    while at < bytes.count, !bytes[at...].starts(with: close) { skip() }
    skip(close.count)
    if line > first { stringLines.formUnion(first + 1...line) }
  }

  private mutating func skipSwiftString(hashes: Int) {
    skip(hashes)
    let isMultiline = has("\"\"\"")
    let marks = [UInt8](repeating: UInt8(ascii: "#"), count: hashes)
    let quotes = [UInt8](repeating: UInt8(ascii: "\""), count: isMultiline ? 3 : 1)
    let close = quotes + marks
    let escape = [UInt8(ascii: "\\")] + marks
    let first = line
    skip(quotes.count)
    while at < bytes.count {
      if bytes[at...].starts(with: close) { break }
      if !isMultiline, bytes[at] == UInt8(ascii: "\n") { break }
      if bytes[at...].starts(with: escape) {
        skip(escape.count)
        at < bytes.count && bytes[at] == UInt8(ascii: "(") ? skipInterpolation() : skip()
      } else {
        skip()
      }
    }
    skip(close.count)
    if isMultiline, line > first { stringLines.formUnion(first + 1...line) }
  }

  private mutating func skipInterpolation() {
    var depth = 0
    while at < bytes.count {
      if let hashes = stringStart() {
        skipSwiftString(hashes: hashes)
        continue
      }
      if bytes[at] == UInt8(ascii: "(") { depth += 1 }
      if bytes[at] == UInt8(ascii: ")") { depth -= 1 }
      skip()
      if depth == 0 { return }
    }
  }
}

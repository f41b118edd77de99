import Foundation

/// A file of the project as the rules see it.
struct SourceFile {
  /// One word or one punctuation mark of the code.
  struct Token: Equatable {
    var text: String
    /// From 1.
    var line: Int
    /// Nothing but a line's beginning and blanks stand before it.
    var isFirst: Bool
    /// Nothing stands between it and the token before.
    var isGlued = false
  }

  /// From the project's root: `Sources/MoontideCore/Limits.swift`.
  let path: String
  /// Without line ends.
  let lines: [String]
  /// Of the code; empty for anything but Swift, C and C++.
  let tokens: [Token]
  /// The comments of each line, or blanks.
  let comments: [String]
  /// From 0: lines inside of multi-line strings.
  let stringLines: Set<Int>

  init(_ path: String, _ text: String) {
    self.path = path
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    self.lines = lines
    let language: CodeScanner.Language? =
      path.hasSuffix(".swift") ? .swift : [".c", ".h", ".cpp"].contains { path.hasSuffix($0) } ? .c : nil
    guard let language else {
      tokens = []
      comments = []
      stringLines = []
      return
    }
    let scanner = CodeScanner(text, language)
    tokens = SourceFile.tokens(scanner.code)
    comments = String(decoding: scanner.comments, as: UTF8.self)
      .split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    stringLines = scanner.stringLines
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var isC: Bool { [".c", ".h", ".cpp"].contains { path.hasSuffix($0) } }

  /// The name of the target: `MoontideCore`; nil outside of Sources.
  var room: String? {
    let parts = path.split(separator: "/")
    return parts.count > 2 && parts[0] == "Sources" ? String(parts[1]) : nil
  }

  /// `Limits.swift`
  var name: String { path.split(separator: "/").last.map(String.init) ?? path }

  func finding(_ line: Int, _ what: String, mend: String) -> Finding {
    Finding(place: "\(path):\(line)", what: what, mend: mend)
  }

  private static func tokens(_ code: [UInt8]) -> [Token] {
    var result: [Token] = []
    var line = 1
    var isFirst = true
    var isGlued = false
    var at = 0
    func isWord(_ byte: UInt8) -> Bool {
      byte == UInt8(ascii: "_") || byte >= 0x80 || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
    }
    while at < code.count {
      let byte = code[at]
      if byte == UInt8(ascii: "\n") {
        line += 1
        isFirst = true
        isGlued = false
        at += 1
      } else if byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") {
        isGlued = false
        at += 1
      } else {
        var end = at + 1
        if isWord(byte) { while end < code.count, isWord(code[end]) { end += 1 } }
        let text = String(decoding: code[at..<end], as: UTF8.self)
        result.append(Token(text: text, line: line, isFirst: isFirst, isGlued: isGlued))
        isFirst = false
        isGlued = true
        at = end
      }
    }
    return result
  }
}

/// What breaks a rule, where, and how to mend it.
struct Finding: CustomStringConvertible, Equatable {
  /// `file:line`
  var place: String
  var what: String
  var mend: String

  var description: String { "\(place): \(what); mend: \(mend)" }
}

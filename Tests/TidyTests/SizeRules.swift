/// Rule 2: how long a file, a function and a line may be.
enum SizeRules {
  static let fileLinesMax = 400
  static let functionLinesMax = 60
  static let swiftColumnsMax = 110
  static let cColumnsMax = 120

  static func findings(in file: SourceFile) -> [Finding] {
    guard file.isSwift || file.isC else { return [] }
    var findings: [Finding] = []
    if file.lines.count > fileLinesMax {
      findings.append(
        file.finding(
          fileLinesMax + 1, "\(file.lines.count) lines, at most \(fileLinesMax) are a file",
          mend: "move a part that has a name of its own into its own file"))
    }
    let columns = file.isSwift ? swiftColumnsMax : cColumnsMax
    for (index, line) in file.lines.enumerated() where !file.stringLines.contains(index) {
      if line.utf8.count > columns, line.count > columns {
        findings.append(
          file.finding(index + 1, "\(line.count) columns, at most \(columns)", mend: "break the line"))
      }
    }
    guard file.room != nil else { return findings }
    for function in file.isSwift ? swiftFunctions(file) : cFunctions(file)
    where function.lines > functionLinesMax {
      findings.append(
        file.finding(
          function.line, "\(function.name) has \(function.lines) lines, at most \(functionLinesMax)",
          mend: "keep the branching here and move pure leaves out"))
    }
    return findings
  }

  struct Function: Equatable {
    var name: String
    var line: Int
    var lines: Int
  }

  /// Functions, initialisers, subscripts and computed properties with their bodies; nested ones too.
  static func swiftFunctions(_ file: SourceFile) -> [Function] {
    let tokens = file.tokens
    var result: [Function] = []
    for index in tokens.indices {
      let next = index + 1 < tokens.count ? tokens[index + 1].text : ""
      let before = index > 0 ? tokens[index - 1].text : ""
      let name: String
      switch tokens[index].text {
      case "func": name = next
      case "init" where before != "." && ["(", "?", "<", "!"].contains(next), "deinit" where before != ".",
        "subscript" where before != ".":
        name = tokens[index].text
      default: continue
      }
      guard let open = body(tokens, after: index), let close = end(tokens, of: open) else { continue }
      result.append(
        Function(
          name: name, line: tokens[index].line, lines: tokens[close].line - tokens[index].line + 1))
    }
    return result
  }

  /// The brace that opens the body of the declaration at `index`; nil for a requirement of a protocol.
  private static func body(_ tokens: [SourceFile.Token], after index: Int) -> Int? {
    var depth = 0
    for at in (index + 1)..<max(tokens.count, index + 1) {
      switch tokens[at].text {
      case "(", "[": depth += 1
      case ")", "]": depth -= 1
      case "{" where depth == 0: return at
      case "}" where depth == 0: return nil
      case "func", "var", "let", "init", "case", "struct", "class", "enum", "static", "mutating", "public",
        "associatedtype", "deinit", "subscript", "private":
        if depth == 0, tokens[at].isFirst { return nil }
      default: continue
      }
    }
    return nil
  }

  /// C functions: a brace behind a closing parenthesis, at the top, in `extern "C"` or a namespace.
  static func cFunctions(_ file: SourceFile) -> [Function] {
    let tokens = file.tokens
    var result: [Function] = []
    var at = 0
    while at < tokens.count {
      if tokens[at].text == "{", let close = end(tokens, of: at) {
        let before = tokens[..<at].last { !["const", "noexcept", "override"].contains($0.text) }?.text
        if before == ")" {
          result.append(
            Function(
              name: name(tokens, endingAt: at), line: tokens[at].line,
              lines: tokens[close].line - tokens[at].line + 1))
          at = close
        } else if !isOpen(tokens, at) {
          at = close
        }
      }
      at += 1
    }
    return result
  }

  /// Whether the block at `brace` may hold functions: a namespace, `extern "C"`, a class or a struct.
  private static func isOpen(_ tokens: [SourceFile.Token], _ brace: Int) -> Bool {
    for token in tokens[..<brace].reversed() {
      if ["namespace", "extern", "class", "struct"].contains(token.text) { return true }
      if [";", "}", "{", "="].contains(token.text) { return false }
    }
    return false
  }

  private static func name(_ tokens: [SourceFile.Token], endingAt brace: Int) -> String {
    var depth = 0
    for at in stride(from: brace - 1, through: 0, by: -1) {
      if tokens[at].text == ")" { depth += 1 }
      if tokens[at].text == "(" {
        depth -= 1
        if depth == 0 { return at > 0 ? tokens[at - 1].text : "?" }
      }
    }
    return "?"
  }

  /// The brace that closes the one at `open`.
  static func end(_ tokens: [SourceFile.Token], of open: Int) -> Int? {
    var depth = 0
    for at in open..<tokens.count {
      if tokens[at].text == "{" { depth += 1 }
      if tokens[at].text == "}" {
        depth -= 1
        if depth == 0 { return at }
      }
    }
    return nil
  }
}

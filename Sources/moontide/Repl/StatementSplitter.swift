/// Makes statements out of lines: SQL goes on until its semicolon, over any number of lines, several in a
/// line; a line that begins with a dot is a command, one with `=` or `>` is Lua. Pure.
struct StatementSplitter {
  /// One thing to do.
  struct Input: Equatable {
    enum Kind: Equatable {
      case sql, dot
      /// `= expression`
      case luaExpression
      /// `> statements`
      case luaStatements
    }
    var kind: Kind
    /// Without the semicolon, the `=` and the `>`.
    var text: String
    /// Where it begins, from 1.
    var line: Int
  }

  private enum State { case plain, lineComment, blockComment, quoted(close: Unicode.Scalar) }

  private var statement = ""
  private var state = State.plain
  private var firstLine = 0
  private var hasContent = false
  /// Lua that is not whole yet.
  private var lua: Input?

  /// Whether a statement was begun and not ended.
  var isPending: Bool { hasContent || lua != nil }
  /// How many bytes are waiting for their end.
  var pendingBytes: Int { statement.utf8.count + (lua?.text.utf8.count ?? 0) }

  /// Takes a line without its newline.
  mutating func take(_ line: String, number: Int) -> [Input] {
    if var begun = lua {
      lua = nil
      begun.text += "\n" + line
      return [begun]
    }
    if !hasContent, case .plain = state, let single = StatementSplitter.single(line, number) {
      statement = ""
      return [single]
    }
    return scan(line + "\n", number)
  }

  /// Keeps Lua that wants more lines; the next one is added to it.
  mutating func hold(_ input: Input) { lua = input }

  /// Gives up what was begun.
  mutating func clear() { self = StatementSplitter() }

  /// What is left at the end: a statement without its semicolon.
  mutating func end() -> Input? {
    defer { clear() }
    if let lua { return lua }
    return hasContent ? Input(kind: .sql, text: StatementSplitter.trimmed(statement), line: firstLine) : nil
  }

  private static func single(_ line: String, _ number: Int) -> Input? {
    let text = trimmed(line)
    switch text.first {
    case ".": return Input(kind: .dot, text: text, line: number)
    case "=": return Input(kind: .luaExpression, text: trimmed(String(text.dropFirst())), line: number)
    case ">": return Input(kind: .luaStatements, text: trimmed(String(text.dropFirst())), line: number)
    default: return nil
    }
  }

  private mutating func scan(_ text: String, _ number: Int) -> [Input] {
    var found: [Input] = []
    let scalars = Array(text.unicodeScalars)
    var index = 0
    while index < scalars.count {
      let scalar = scalars[index]
      let next = index + 1 < scalars.count ? scalars[index + 1] : nil
      index += 1
      switch state {
      case .plain:
        if scalar == ";" {
          if hasContent {
            let sql = StatementSplitter.trimmed(statement)
            found.append(Input(kind: .sql, text: sql, line: firstLine))
          }
          begin()
          continue
        }
        enter(scalar, next)
        if case .plain = state, !hasContent, !scalar.properties.isWhitespace { startContent(number) }
        if case .quoted = state, !hasContent { startContent(number) }
      case .lineComment: if scalar == "\n" { state = .plain }
      case .blockComment:
        if scalar == "*", next == "/" {
          statement.unicodeScalars.append(scalar)
          index += 1
          state = .plain
          statement.unicodeScalars.append("/")
          continue
        }
      // A doubled quote closes and opens again, which comes to the same.
      case .quoted(let close): if scalar == close { state = .plain }
      }
      statement.unicodeScalars.append(scalar)
    }
    if !hasContent, case .plain = state { statement = "" }
    return found
  }

  private mutating func enter(_ scalar: Unicode.Scalar, _ next: Unicode.Scalar?) {
    switch scalar {
    case "-" where next == "-": state = .lineComment
    case "/" where next == "*": state = .blockComment
    case "'", "\"", "`": state = .quoted(close: scalar)
    case "[": state = .quoted(close: "]")
    default: state = .plain
    }
  }

  private mutating func startContent(_ number: Int) {
    hasContent = true
    firstLine = number
    // Comments and blanks in front are no part of it, so that places count from its first line.
    statement = ""
  }

  private mutating func begin() {
    statement = ""
    hasContent = false
  }

  static func trimmed(_ text: some StringProtocol) -> String {
    var rest = Substring(text)
    while rest.first?.isWhitespace == true { rest = rest.dropFirst() }
    while rest.last?.isWhitespace == true { rest = rest.dropLast() }
    return String(rest)
  }

  /// A statement as one line of history: line ends and comments become blanks, texts stay as they are.
  static func oneLine(_ statement: String) -> String {
    var line = ""
    var splitter = StatementSplitter()
    let scalars = Array(statement.unicodeScalars)
    for (index, scalar) in scalars.enumerated() {
      let next = index + 1 < scalars.count ? scalars[index + 1] : nil
      switch splitter.state {
      case .plain:
        splitter.enter(scalar, next)
        if case .lineComment = splitter.state { continue }
        let isBlank = scalar == "\n" || scalar == "\t" || scalar == " "
        // A line's end and the indentation behind it are one blank.
        if isBlank, line.hasSuffix(" ") { continue }
        line.unicodeScalars.append(isBlank ? " " : scalar)
      case .lineComment:
        guard scalar == "\n" else { continue }
        splitter.state = .plain
        if !line.hasSuffix(" ") { line += " " }
      case .blockComment:
        line.unicodeScalars.append(scalar == "\n" ? " " : scalar)
        if scalar == "/", index > 0, scalars[index - 1] == "*" { splitter.state = .plain }
      case .quoted(let close):
        line.unicodeScalars.append(scalar)
        if scalar == close { splitter.state = .plain }
      }
    }
    return trimmed(line)
  }
}

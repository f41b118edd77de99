import Glibc
import MoontideCore
import MoontideHost

/// Reads what is to be done, line by line, and hands it to the session: from a person with a prompt, or from
/// a file or a pipe without.
final class ReplLoop {
  private let session: ReplSession
  private let project: ProjectPaths
  private var splitter = StatementSplitter()
  private var number = 0

  init(_ session: ReplSession, _ project: ProjectPaths) {
    self.session = session
    self.project = project
  }

  func run() throws {
    guard session.isInteractive else { return try runInput() }
    let words = CompletionWords(session)
    let prompt = LinePrompt { [session] line, cursor in
      words.complete(line, cursor: cursor, columns: session.columns)
    }
    guard let prompt else { return try runInput() }
    let history = ReplHistory(project)
    for line in history.load() { prompt.remember(line) }
    try session.note("moontide \(MoontideVersion.text), read-only · .help lists the commands, Ctrl-D ends")
    while true {
      words.isPending = splitter.isPending
      // While a line is edited Ctrl-C is no signal: from here to the next prompt it stops whatever comes.
      ReplSignals.cancellation.renew()
      switch prompt.read(session.prompt(isPending: splitter.isPending)) {
      case .end:
        // The next prompt of the shell begins on a line of its own.
        try session.write("\n")
        return
      case .interrupted(let wasEmpty):
        try session.write("^C\n")
        if wasEmpty, !splitter.isPending { try session.note("Ctrl-D or .quit ends") }
        splitter.clear()
      case .line(let line):
        let wasPending = splitter.isPending
        let inputs = take(line)
        if wasPending, inputs.isEmpty, let command = DotCommand.named(in: line) {
          try session.note(
            ".\(command.rawValue) became part of the statement above, which has no ; yet; Ctrl-C gives it up")
        }
        for input in inputs {
          let isLua = input.kind == .luaExpression || input.kind == .luaStatements
          if !isLua { remember(input, prompt, history) }
          guard try perform(input) else { return }
          // Of Lua that takes several lines all of it is remembered, not its beginning.
          if isLua, !splitter.isPending { remember(input, prompt, history) }
        }
      }
    }
  }

  private func take(_ line: String) -> [StatementSplitter.Input] {
    number += 1
    return splitter.take(line, number: number)
  }

  private func remember(
    _ input: StatementSplitter.Input, _ prompt: LinePrompt, _ history: ReplHistory
  ) {
    let text: String
    switch input.kind {
    case .sql: text = input.text + ";"
    case .dot: text = input.text
    case .luaExpression: text = "= " + input.text
    case .luaStatements: text = "> " + input.text
    }
    var line = input.kind == .sql ? StatementSplitter.oneLine(text) : text
    // Lua without comments and long texts means the same on one line.
    if input.kind != .sql, !["--", "[["].contains(where: line.contains) {
      line = line.split(separator: "\n").map(StatementSplitter.trimmed).joined(separator: " ")
    }
    // What cannot stand in one line is found line by line.
    for part in line.split(separator: "\n") {
      prompt.remember(String(part))
      history.add(String(part))
    }
  }

  private func runInput() throws {
    var lines = StandardInputLines(keepsBlank: true)
    while let (_, bytes) = lines.next() {
      var line = String(decoding: bytes, as: UTF8.self)
      if line.hasSuffix("\r") { line.removeLast() }
      for input in take(line) { guard try perform(input) else { return } }
    }
    if let rest = splitter.end() { _ = try perform(rest, isLast: true) }
  }

  /// False when it was the last thing to do.
  private func perform(_ input: StatementSplitter.Input, isLast: Bool = false) throws -> Bool {
    if splitter.pendingBytes > Limits.replStatementBytesMax {
      splitter.clear()
      try session.fail(
        Diagnostic(
          code: CommandCode.replInput.code,
          "a statement has at most \(Limits.replStatementBytesMax) bytes, and this one has no end"), input)
      return true
    }
    switch try session.perform(input, isLast: isLast) {
    case .done: return true
    case .quit: return false
    case .wantsMore:
      splitter.hold(input)
      return true
    }
  }
}

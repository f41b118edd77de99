import Glibc
import MoontideCore
import MoontideHost

/// What a REPL knows from statement to statement, and how it carries one out. One thread, the main one.
final class ReplSession {
  enum Outcome {
    case done, quit
    /// Lua that is not whole at the end of its line.
    case wantsMore
  }

  let project: ProjectPaths
  let options: GlobalOptions
  let commands: CommandSession
  let queries: ReplQueries
  /// Whether a person is there: at both ends.
  let isInteractive: Bool
  var settings: ReplSettings
  /// `_`; nil before the first result.
  var last: KeptRows?
  /// Whether `last` is newer than the `_` of Lua.
  var isLastNew = false
  /// Of `.save`.
  var lastStatement = ""
  /// Of `.output`.
  var file: FileSink?
  /// Whether something was answered before: answers for people stand apart.
  private var hasAnswered = false
  /// Statements that failed.
  private(set) var failures = 0
  private(set) lazy var lua = LuaLine(self)
  private let pager: Pager?
  private var missingPager: String?
  private let clock = SystemSurroundings.clock

  init(_ project: ProjectPaths, _ options: GlobalOptions, _ commands: CommandSession) throws(Diagnostic) {
    self.project = project
    self.options = options
    self.commands = commands
    queries = ReplQueries(project, cancellation: ReplSignals.cancellation)
    isInteractive = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1
    settings = ReplSettings(mode: options.rows)
    (pager, missingPager) = isInteractive ? Pager.find() : (nil, nil)
    if isInteractive { ReplSignals.install() }
  }

  /// The name that the prompt shows.
  private var name: String { project.root.split(separator: "/").last.map(String.init) ?? "moontide" }
  var terminal: Terminal { .standardOutput(options.color) }
  var columns: Int { terminal.columns ?? Limits.excerptColumnsDefault }

  func prompt(isPending: Bool) -> String {
    isPending ? settings.continuation(name) : settings.prompt(name)
  }

  // MARK: Carrying out

  /// Carries out one thing; a fault is shown and counted.
  /// - Parameter isLast: nothing comes behind it: Lua that is not whole never will be.
  func perform(_ input: StatementSplitter.Input, isLast: Bool) throws -> Outcome {
    do {
      switch input.kind {
      case .sql:
        lastStatement = input.text
        try answer(input.text)
      case .dot:
        let (command, rest) = try DotCommand.parse(input.text)
        if command == .quit { return .quit }
        try DotRun(self).run(command, rest)
      case .luaExpression, .luaStatements:
        if try !lua.run(input, isLast: isLast) { return .wantsMore }
      }
    } catch let fault as Diagnostic {
      if ReplSignals.cancellation.isCancelled {
        try note("stopped")
      } else {
        try fail(fault, input)
      }
    }
    return .done
  }

  /// Runs a statement and shows its rows.
  func answer(_ sql: String) throws {
    let began = clock.monotonic
    if !isInteractive, hasAnswered, file == nil, [.table, .md, .line].contains(settings.mode) {
      try write("\n")
    }
    hasAnswered = true
    let screen = newScreen()
    let text = target(screen)
    let shown = file == nil ? terminal : Terminal.none
    let answer = ReplAnswer(settings.mode, to: text, terminal: shown)
    var fault: Diagnostic?
    do throws(Diagnostic) {
      try queries.run(settings.question(sql, last), to: answer, observer: ReplObserver(self))
    } catch { fault = error }
    let took = clock.monotonic - began
    // What came before the fault is an answer as far as it goes.
    if fault == nil || answer.count > 0 { try answer.finish() }
    try screen?.finish()
    if answer.count > 0 || fault == nil {
      last = answer.kept
      isLastNew = true
    }
    if let fault, !answer.isLeft { throw fault }
    try tellEnd(answer, took)
  }

  /// Shows rows of texts as an answer, which become `_` too.
  func show(_ names: [String], _ rows: [[String]]) throws {
    let screen = newScreen()
    let text = target(screen)
    let answer = ReplAnswer(settings.mode, to: text, terminal: file == nil ? terminal : Terminal.none)
    try answer.columns(names)
    let buffer = RowBuffer()
    for row in rows {
      buffer.removeAll()
      for text in row { buffer.append(text: text) }
      try answer.row(buffer)
    }
    try answer.finish()
    try screen?.finish()
    last = answer.kept
    isLastNew = true
  }

  private func target(_ screen: ScreenSink?) -> any TextSink {
    if let file { return file }
    if let screen { return screen }
    return StreamSink.standardOutput()
  }

  /// Nil where nobody looks, or rows go to a file.
  private func newScreen() -> ScreenSink? {
    guard isInteractive, file == nil else { return nil }
    let rows = terminal.rows ?? 24
    guard let missing = missingPager else { return ScreenSink(pager, rows: rows) }
    return ScreenSink(nil, rows: rows) { [self] () throws(OutputClosed) in
      missingPager = nil
      try note(missing)
    }
  }

  /// How many rows there were, and how long it took.
  private func tellEnd(_ answer: ReplAnswer, _ took: Duration) throws {
    var parts: [String] = []
    if isInteractive, settings.mode == .table || file != nil {
      let count = Figures.counted(UInt64(answer.count), "row")
      parts.append(
        file.map { "\(count) to \($0.path)" } ?? (answer.isLeft ? "stopped after \(count)" : count))
    }
    if settings.timer { parts.append(Figures.milliseconds(took / .milliseconds(1))) }
    var text = parts.joined(separator: ", ")
    if isInteractive, answer.kept.isCut {
      text += "; _ keeps the first \(Figures.grouped(UInt64(answer.kept.count)))"
    }
    guard !text.isEmpty else { return }
    if isInteractive { try write(Ink(colors: terminal.colors)(.dim, text) + "\n") } else { try note(text) }
  }

  // MARK: Telling

  /// Text on stdout.
  func write(_ text: String) throws(OutputClosed) { try StreamSink.standardOutput().write(text) }

  /// A line on stderr; nothing with `-q`.
  func note(_ text: String) throws(OutputClosed) { try commands.note(text) }

  /// Shows a fault and counts it.
  func fail(_ fault: Diagnostic, _ input: StatementSplitter.Input) throws(OutputClosed) {
    failures += 1
    try commands.show([placed(fault, input)])
  }

  /// The fault as the REPL tells it: what helps in a shell is said in its own words, and without a prompt the
  /// line of the input is named.
  private func placed(_ fault: Diagnostic, _ input: StatementSplitter.Input) -> Diagnostic {
    var told = fault
    told.details = fault.details.map { detail in
      switch detail.text {
      case let text where text.hasPrefix("moontide query \"select"):
        .init(detail.label, ".tables lists what there is, .schema TABLE its columns")
      case let text where text.contains("--timeout SECONDS"):
        .init(detail.label, "narrow it, or give it more with .timeout SECONDS")
      default: detail
      }
    }
    guard !isInteractive else { return told }
    if told.place?.file == "query" {
      told.place?.file = "stdin"
      told.place?.line += input.line - 1
    } else {
      told.details.insert(.init("input", "line \(input.line)"), at: 0)
    }
    return told
  }
}

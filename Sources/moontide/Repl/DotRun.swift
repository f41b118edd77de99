import ArgumentParser
import Glibc
import MoontideCore
import MoontideHost

/// Carries out the commands that begin with a dot.
struct DotRun {
  private let session: ReplSession

  init(_ session: ReplSession) { self.session = session }

  func run(_ command: DotCommand, _ rest: String) throws {
    let words = DotRun.words(rest)
    switch command {
    case .help: try help(rest)
    case .quit: break
    case .mode: try mode(rest)
    case .output: try output(rest)
    case .timer: try timer(rest)
    case .timeout: try timeout(rest)
    case .asOf, .asKnown: try past(command, rest)
    case .attach: try attach(words)
    case .detach: try detach(rest)
    case .tables: try tables()
    case .schema: try schema(rest)
    case .handlers: try session.answer(HandlersList.statement)
    case .lag: try session.answer(LagCommand.statement)
    case .dead: try session.answer(DeadCommand.List.groups)
    case .sagas: try session.answer(SagaCommand.List.statement(where: SagaCommand.List.open, limit: 1_000))
    case .run: try runSaved(rest)
    case .save: try save(rest)
    case .live: try LiveView(session).run(DotRun.statement(rest))
    case .tail: try TailView(session).run(rest)
    case .why, .impact: try commandLine(command, words)
    }
  }

  /// Words, each perhaps in quotes.
  static func words(_ text: String) -> [String] {
    var words: [String] = []
    var rest = text[...]
    while true {
      rest = rest.drop { $0.isWhitespace }
      guard let first = rest.first else { return words }
      let isQuoted = first == "'" || first == "\""
      if isQuoted { rest = rest.dropFirst() }
      let word = rest.prefix { isQuoted ? $0 != first : !$0.isWhitespace }
      words.append(String(word))
      rest = rest.dropFirst(word.count + (isQuoted ? 1 : 0))
    }
  }

  /// Without the semicolon that one types by habit.
  private static func statement(_ text: String) -> String {
    var text = StatementSplitter.trimmed(text)
    while text.hasSuffix(";") { text = StatementSplitter.trimmed(String(text.dropLast())) }
    return text
  }

  private func help(_ rest: String) throws {
    if rest.isEmpty { return try session.write(DotCommand.list + "\n") }
    let (command, _) = try DotCommand.parse(rest.hasPrefix(".") ? rest : "." + rest)
    let more = command.explanation
    try session.write("\(command.usage)\n\(command.summary)\n" + (more.isEmpty ? "" : more + "\n"))
  }

  // MARK: Settings

  private func mode(_ rest: String) throws {
    if rest.isEmpty { return try session.note("mode \(session.settings.mode.rawValue)") }
    guard let mode = OutputFormat(rawValue: rest.lowercased()) else {
      let near = Suggestion.nearest(to: rest, among: OutputFormat.allCases.map(\.rawValue))
      throw DotCommand.mode.misused(
        "there is no mode \(rest)" + (near.map { "; did you mean \($0)?" } ?? ""))
    }
    session.settings.mode = mode
  }

  private func output(_ rest: String) throws {
    let words = DotRun.words(rest)
    guard words.count <= 1 else { throw DotCommand.output.misused(".output takes one file") }
    guard let path = words.first, path != "off" else {
      if let file = session.file { try session.note("\(file.path) is written") }
      session.file = nil
      return
    }
    let file = try FileSink(DotRun.expanded(path))
    session.file = file
    if session.isInteractive { try session.note("rows go to \(file.path) until .output off") }
  }

  /// `~/` as a shell has it.
  private static func expanded(_ path: String) -> String {
    guard path.hasPrefix("~/"), let home = getenv("HOME") else { return path }
    return String(cString: home) + path.dropFirst()
  }

  private func timer(_ rest: String) throws {
    switch rest.lowercased() {
    case "on": session.settings.timer = true
    case "off": session.settings.timer = false
    case "": try session.note("timer \(session.settings.timer ? "on" : "off")")
    default: throw DotCommand.timer.misused("the timer is on or off, not \(rest)")
    }
  }

  private func timeout(_ rest: String) throws {
    if rest.isEmpty {
      return try session.note("a statement is stopped after \(session.settings.timeout / .seconds(1)) s")
    }
    guard let seconds = Double(rest), seconds > 0, seconds < 1e6 else {
      throw DotCommand.timeout.misused("a time-out is a positive number of seconds, not \(rest)")
    }
    session.settings.timeout = .seconds(seconds)
  }

  // MARK: The past

  private func past(_ command: DotCommand, _ rest: String) throws {
    guard !rest.isEmpty else {
      let set = command == .asOf ? session.settings.asOf : session.settings.asKnown
      return try session.note(set.map { "\(command.rawValue) \($0.text)" } ?? "the present is asked")
    }
    var settings = session.settings
    let isOff = rest.lowercased() == "off"
    let value = isOff ? nil : (text: rest, moment: try PastOptions.moment(rest))
    if command == .asOf { settings.asOf = value } else { settings.asKnown = value }
    if let moment = settings.moment, !isOff {
      try session.note(try session.queries.description(of: moment, observer: ReplObserver(session)))
    }
    session.settings = settings
  }

  private func attach(_ words: [String]) throws {
    guard let name = words.first else {
      let all = session.settings.attached.sorted { $0.key < $1.key }
      return try session.note(
        all.isEmpty
          ? "nothing is attached" : all.map { "\($0.key) \($0.value.text)" }.joined(separator: " · "))
    }
    let text = words.dropFirst().joined(separator: " ")
    guard !text.isEmpty else { throw DotCommand.attach.misused("\(name) as of when?") }
    let isName =
      name.first?.isLetter == true
      && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    let taken = try session.queries.models().map(\.name) + ["sys", "main", "temp"]
    guard isName, !taken.contains(where: { $0.lowercased() == name.lowercased() }) else {
      throw DotCommand.attach.misused(
        "\(name) cannot be the name: it is letters and digits, and nothing else is called so")
    }
    guard session.settings.attached.count < Limits.replAttachedMax || session.settings.attached[name] != nil
    else { throw DotCommand.attach.misused("at most \(Limits.replAttachedMax) moments are attached at once") }
    let moment = PastMoment(asOf: try PastOptions.moment(text))
    let told = try session.queries.description(of: moment, observer: ReplObserver(session))
    session.settings.attached[name] = (text, moment)
    try session.note("\(name).TABLE is \(told)")
  }

  private func detach(_ name: String) throws {
    guard session.settings.attached.removeValue(forKey: name) != nil else {
      let near = Suggestion.nearest(to: name, among: session.settings.attached.keys.sorted())
      throw DotCommand.detach.misused(
        "\(name) is not attached" + (near.map { "; did you mean \($0)?" } ?? ""))
    }
  }

  // MARK: What there is

  private func tables() throws {
    var rows: [[String]] = []
    for table in try session.queries.tables(system: false) {
      rows.append([
        table.schema + "." + table.name, table.columns.joined(separator: ", "),
      ])
    }
    try session.show(["table", "columns"], rows)
  }

  private func schema(_ rest: String) throws {
    let wanted = rest.split(separator: ".").map { $0.lowercased() }
    var told = ""
    var known: [String] = []
    for table in try session.queries.tables(system: wanted.first == "sys") {
      known += [table.name, "\(table.schema).\(table.name)"]
      let isWanted =
        wanted.isEmpty || wanted == [table.name.lowercased()] || wanted == [table.schema.lowercased()]
        || wanted == [table.schema.lowercased(), table.name.lowercased()]
      guard isWanted, table.schema != "sys" || !wanted.isEmpty else { continue }
      told += try session.queries.definition(of: table) + "\n"
    }
    guard !told.isEmpty || wanted.isEmpty else {
      let near = Suggestion.nearest(to: rest, among: known)
      throw DotCommand.schema.misused(
        "there is no table \(rest)" + (near.map { "; did you mean \($0)?" } ?? ""))
    }
    try session.write(told)
  }

  // MARK: Saved queries

  private func runSaved(_ name: String) throws {
    let saved = SavedQueries(session.project)
    if name.isEmpty {
      return try session.show(["name", "title"], try saved.list().map { [$0.name, $0.title] })
    }
    var splitter = StatementSplitter()
    let text = try saved.text(name)
    var inputs = text.split(separator: "\n", omittingEmptySubsequences: false).enumerated().flatMap {
      splitter.take(String($1), number: $0 + 1)
    }
    if let rest = splitter.end() { inputs.append(rest) }
    for input in inputs where input.kind == .sql { try session.answer(input.text) }
  }

  private func save(_ name: String) throws {
    guard !session.lastStatement.isEmpty else {
      throw DotCommand.save.misused("there is no statement to save yet")
    }
    let path = try SavedQueries(session.project).save(session.lastStatement, as: name)
    try session.note("\(path): .run \(name) asks it again")
  }

  // MARK: Other commands

  /// Runs a command of the shell on this project, as it stands in `Moontide`.
  private func commandLine(_ command: DotCommand, _ words: [String]) throws {
    guard !words.isEmpty else { throw command.misused("\(command.usage) needs more words") }
    let all = Moontide.configuration.subcommands
    guard let type = all.first(where: { $0.configuration.commandName == command.rawValue }) else {
      throw command.misused("this moontide has no command \(command.rawValue)")
    }
    do {
      var parsed = try type.parseAsRoot(["-C", session.project.root] + words)
      try parsed.run()
    } catch let wrong as ValidationError { throw command.misused(wrong.message) } catch is ExitCode {
      // It has said itself what it found.
      return
    } catch let fault as Diagnostic { throw fault } catch {
      throw command.misused(type.message(for: error))
    }
  }
}

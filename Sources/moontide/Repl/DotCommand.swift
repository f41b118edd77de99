import MoontideCore

/// The commands of the REPL that are no SQL and no Lua: a line that begins with a dot.
enum DotCommand: String, CaseIterable {
  case help, quit
  case tables, schema, handlers
  case mode, output, timer, timeout
  case run, save
  case asOf = "as-of"
  case asKnown = "as-known"
  case attach, detach
  case live, tail
  case dead, lag, sagas
  case why, impact

  /// What stands behind the name; empty for nothing.
  var arguments: String {
    switch self {
    case .help: "[COMMAND]"
    case .schema: "[TABLE]"
    case .mode: "table|json|jsonl|csv|md|line"
    case .output: "FILE|off"
    case .timer: "on|off"
    case .timeout: "SECONDS"
    case .run: "[NAME]"
    case .save: "NAME"
    case .asOf, .asKnown: "TIME|off"
    case .attach: "NAME TIME"
    case .detach: "NAME"
    case .live: "SQL"
    case .tail: "[TYPE]"
    case .why: "TABLE KEY"
    case .impact: "POSITION"
    case .quit, .tables, .handlers, .dead, .lag, .sagas: ""
    }
  }

  /// One line of `.help`.
  var summary: String {
    switch self {
    case .help: "this list, or more about one command"
    case .quit: "ends, as Ctrl-D does"
    case .tables: "tables of the read models and of sys"
    case .schema: "how tables are made"
    case .handlers: "every handler with state and lag"
    case .mode: "how rows are printed"
    case .output: "rows go to a file"
    case .timer: "how long each statement took"
    case .timeout: "when a statement is stopped"
    case .run: "a saved query of queries/; without a name lists them"
    case .save: "saves the last statement as queries/NAME.sql"
    case .asOf: "whole read models as they were then: what had happened"
    case .asKnown: "the same by what the log held then"
    case .attach: "read models of then beside those of now: NAME.TABLE"
    case .detach: "takes them away again"
    case .live: "shows an answer and redraws it as events arrive, until Ctrl-C"
    case .tail: "prints events as they come, until Ctrl-C"
    case .dead: "dead letters by fault"
    case .lag: "how far each handler is behind"
    case .sagas: "instances of sagas and where they stand"
    case .why: "which events wrote a row"
    case .impact: "what an event caused"
    }
  }

  /// What `.help COMMAND` adds.
  var explanation: String {
    switch self {
    case .asOf, .asKnown:
      """
      TIME is a time, a day (its end), -2h, yesterday, last tuesday, #POSITION or TOPIC/PARTITION@OFFSET.
      The prompt shows it until .\(rawValue) off. What is folded is kept below .moontide/as-of for
      the next question.
      Example: .\(rawValue) last tuesday
      """
    case .attach:
      """
      Example: .attach tue last tuesday
               select n.order_id, o.status, n.status from orders n join tue.orders o using(order_id);
      A name that several projections have is written out: tue.order_status.orders
      """
    case .live: "Example: .live select status, count(*) from orders group by 1"
    case .tail: "Example: .tail OrderPlaced"
    case .output: "Example: .output orders.csv (with .mode csv); each statement adds to it until .output off"
    case .run: "Example: .run revenue · the first comment of a file in queries/ is its title"
    case .save: "Example: .save orders_by_day · a file that is there is not overwritten"
    case .schema: "Example: .schema orders · .schema order_status.orders"
    case .help, .quit, .tables, .handlers, .mode, .timer, .timeout, .detach, .dead, .lag, .sagas, .why,
      .impact:
      ""
    }
  }

  var usage: String { arguments.isEmpty ? ".\(rawValue)" : ".\(rawValue) \(arguments)" }

  /// The command that a line would be if it stood by itself.
  static func named(in line: String) -> DotCommand? {
    let text = StatementSplitter.trimmed(line)
    guard text.hasPrefix(".") else { return nil }
    return DotCommand(rawValue: text.dropFirst().prefix { !$0.isWhitespace }.lowercased())
  }

  /// A command and what stands behind it.
  /// - Throws: `E0697` with the nearest name for one that does not exist.
  static func parse(_ line: String) throws(Diagnostic) -> (command: DotCommand, rest: String) {
    let name = line.dropFirst().prefix { !$0.isWhitespace }
    let rest = StatementSplitter.trimmed(String(line.dropFirst(1 + name.count)))
    let known = String(name).lowercased()
    if let command = DotCommand(rawValue: known) { return (command, rest) }
    if ["exit", "q"].contains(known) { return (.quit, rest) }
    let near = Suggestion.nearest(to: known, among: allCases.map(\.rawValue))
    throw Diagnostic(
      code: CommandCode.dotCommand.code, "there is no command .\(name)",
      details: [.init("help", near.map { "did you mean .\($0)?" } ?? ".help lists the commands")])
  }

  /// For arguments that do not fit.
  func misused(_ reason: String) -> Diagnostic {
    Diagnostic(
      code: CommandCode.dotCommand.code, reason, details: [.init("help", "\(usage) · \(summary)")])
  }

  /// The list of `.help`.
  static var list: String {
    let widest = allCases.map { $0.usage.count }.max() ?? 0
    let lines = allCases.map { "  " + DisplayText.padded($0.usage, to: widest) + "  " + $0.summary }
    return """
      SQL ends with a semicolon. = EXPRESSION prints a value of Lua, > STATEMENTS runs some; the
      project's handlers are functions there, which tell what they would write and write nowhere:
      = order_status.OrderPlaced(event(48211)). _ is the last result in SQL and in Lua.

      \(lines.joined(separator: "\n"))

      Tab completes · arrows and Ctrl-R find earlier lines · Ctrl-C stops what runs · Ctrl-D ends
      """
  }
}

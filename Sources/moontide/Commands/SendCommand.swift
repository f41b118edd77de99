import ArgumentParser
import MoontideCore
import MoontideHost

/// `send COMMAND -d JSON [--id ID] [--expect VERSION] [--explain]`
struct SendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "send", abstract: "A command to its decider; prints its events, or why not.",
    usage: """
      moontide send <command> -d <json> [--id <id>] [--expect <version>] [--explain]
             moontide send -
      """,
    discussion: """
      moontide send PlaceOrder -d '{"order_id":"o-1"}'   one command
      moontide send -                                    command lines from stdin, a row each

      Returns when the outcome is on disk. A command id has one outcome for ever: a resend gets the first \
      answer. The token goes to `query --after`: read your own writes. sys.commands has every command with \
      its outcome.

      Exit 0 accepted, 1 rejected or failed, 2 an id that names another command, 65 no command at all; of \
      several lines the highest.

      Example: moontide send PlaceOrder -d '{"order_id":"o-1","total_cents":995}'
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(
    help: ArgumentHelp("The command's type; or - for command lines from stdin.", valueName: "command"))
  var type: String
  @Option(
    name: [.customShort("d"), .long],
    help: ArgumentHelp("The command's data: an object, @FILE, or - for stdin.", valueName: "JSON"))
  var data: String?
  @Option(help: "The command's id, for resends; default: a new one.") var id: String?
  @Option(help: "The stream's key, when the decider names no field for it.") var key: String?
  @Option(help: "The command's time, RFC 3339; default: the time of its decision.") var time: String?
  @Option(help: ArgumentHelp("Decide only when the stream has so many events.", valueName: "VERSION"))
  var expect: Int?
  @Flag(help: "Show the state before and after.") var explain = false

  func validate() throws {
    if type == "-" {
      guard data == nil, key == nil, id == nil, time == nil, expect == nil, !explain else {
        throw ValidationError("with - each line carries its own envelope: no other option goes with it")
      }
    } else if data == nil {
      throw ValidationError("a command has data: -d '{…}', -d @FILE or -d -")
    }
    if let expect, expect < 0 { throw ValidationError("--expect is a number of events, not \(expect)") }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let access = try ProjectDoor.access(try session.project())
      if type == "-" { return try sendLines(access, session) }
      let outcome = try access.send(SendRequest(line: try line(), expectedVersion: expect, explain: explain))
      try report(outcome, session)
      if outcome.verdict != .accepted { throw ExitCodes.findings }
    }
  }

  /// One command a line, a row each as soon as its outcome is on disk. A line that is no command gets a row
  /// too, and the others go on.
  private func sendLines(_ access: any ProjectAccess, _ session: CommandSession) throws {
    let sink = PrintingSink(options)
    try sink.columns(["command", "outcome", "topic", "key", "version", "token", "code", "text"])
    var lines = StandardInputLines()
    var worst = ExitCodes.success
    while let (number, line) = lines.next() {
      do throws(Diagnostic) {
        let outcome = try access.send(SendRequest(line: line))
        try tell(outcome, session)
        try sink.row(row(outcome))
        if outcome.verdict != .accepted, worst == ExitCodes.success { worst = ExitCodes.findings }
      } catch {
        // Only what is wrong with this line alone lets the next ones be tried.
        guard error.isOfCommandAlone else {
          try sink.finish()
          throw error
        }
        if worst != ExitCodes.badInput { worst = CommandSession.exitCode(of: [error]) }
        var problem = error
        problem.place = SourcePlace(file: "stdin", line: number)
        try session.show([problem])
        try sink.row(row(refused: error))
      }
    }
    try sink.finish()
    if worst != ExitCodes.success { throw worst }
  }

  private func row(_ outcome: SendOutcome) -> RowBuffer {
    let row = RowBuffer()
    for text in [outcome.id, outcome.verdict.rawValue, outcome.topic, outcome.key] { row.append(text: text) }
    row.cells.append(.integer(Int64(outcome.version)))
    row.append(text: outcome.token.description)
    addReason(outcome, to: row)
    return row
  }

  private func row(refused problem: Diagnostic) -> RowBuffer {
    let row = RowBuffer()
    row.cells.append(.null)
    row.append(text: "refused")
    row.cells += [.null, .null, .null, .null]
    row.append(text: problem.code)
    row.append(text: problem.title)
    return row
  }

  private func line() throws -> [UInt8] {
    var text = "{\"id\":" + JSONText.string(id ?? EventID.fresh()) + ",\"type\":" + JSONText.string(type)
    if let key { text += ",\"key\":" + JSONText.string(key) }
    if let time { text += ",\"time\":" + JSONText.string(time) }
    return Array((text + ",\"data\":").utf8) + (try ObjectOption.bytes(data ?? "{}")) + Array("}".utf8)
  }

  private func report(_ outcome: SendOutcome, _ session: CommandSession) throws {
    try tell(outcome, session)
    let isTold = outcome.told.contains { if case .problem = $0 { true } else { false } }
    if outcome.verdict != .accepted, !isTold {
      let reason = outcome.text.isEmpty ? "" : ": \(outcome.text)"
      try session.note("\(outcome.verdict.rawValue) \(outcome.code)\(reason)")
    } else if outcome.verdict == .accepted, outcome.events.isEmpty {
      try session.note("accepted: nothing happened")
    }
    if outcome.isRepeat { try session.note("it was sent before; this is the answer that it got") }
    let sink = PrintingSink(options)
    // Programs get the same names whatever the answer is.
    let isForPeople = options.rows == .table || options.rows == .line
    let hasReason = !isForPeople || outcome.verdict != .accepted
    var names = ["outcome", "event", "id", "topic", "key", "version", "token"]
    if hasReason { names += ["code", "text"] }
    if explain { names += ["before", "after"] }
    if !isForPeople { names.append("command") }
    try sink.columns(names)
    let first = outcome.version - outcome.events.count
    let events: [(id: String, type: String)?] = outcome.events.isEmpty ? [nil] : outcome.events
    for (index, event) in events.enumerated() {
      let row = RowBuffer()
      row.append(text: outcome.verdict.rawValue)
      add(event?.type, to: row)
      add(event?.id, to: row)
      row.append(text: outcome.topic)
      row.append(text: outcome.key)
      row.cells.append(.integer(Int64(event == nil ? outcome.version : first + index + 1)))
      row.append(text: outcome.token.description)
      if hasReason { addReason(outcome, to: row) }
      if explain {
        add(outcome.before, to: row)
        add(outcome.after, to: row)
      }
      if !isForPeople { row.append(text: outcome.id) }
      try sink.row(row)
    }
    try sink.finish()
  }

  /// What the script said; where another process runs the project, that one tells it.
  private func tell(_ outcome: SendOutcome, _ session: CommandSession) throws(Diagnostic) {
    for one in outcome.told {
      do throws(OutputClosed) {
        switch one {
        case .problem(let problem): try session.show([problem])
        case .printed(let text): try session.note(text)
        }
      } catch {
        throw Diagnostic(code: HostCode.output.code, "stderr takes no more (errno \(error.errno))")
      }
    }
  }

  private func add(_ text: String?, to row: RowBuffer) {
    if let text { row.append(text: text) } else { row.cells.append(.null) }
  }

  private func addReason(_ outcome: SendOutcome, to row: RowBuffer) {
    add(outcome.verdict == .accepted ? nil : outcome.code, to: row)
    add(outcome.verdict == .accepted ? nil : outcome.text, to: row)
  }
}

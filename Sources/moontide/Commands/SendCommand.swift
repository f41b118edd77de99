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
      moontide send -                                    command lines from stdin, one after another, a row each

      Returns when the outcome is on disk. A command id has one outcome for ever: a resend gets the first answer. \
      Exit 0 accepted, 1 rejected or failed.

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
      if type == "-" { return try sendLines(access) }
      let outcome = try access.send(SendRequest(line: try line(), expectedVersion: expect))
      try report(outcome, session)
      if outcome.verdict != .accepted { throw ExitCodes.findings }
    }
  }

  /// One command a line; a row is printed when its outcome is on disk. A line that is no command ends it.
  private func sendLines(_ access: any ProjectAccess) throws {
    let sink = PrintingSink(options)
    try sink.columns(["id", "outcome", "code", "text", "stream", "version", "token"])
    var rest: [UInt8] = []
    var hasRefused = false
    var isAtEnd = false
    while !isAtEnd {
      let part = StandardInput.chunk(1 << 16)
      isAtEnd = part.isEmpty
      rest += part
      if isAtEnd, !rest.isEmpty { rest.append(UInt8(ascii: "\n")) }
      while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
        let line = Array(rest[..<newline])
        rest.removeSubrange(...newline)
        if line.allSatisfy({ $0 == 0x20 || $0 == 0x09 || $0 == 0x0D }) { continue }
        let outcome = try access.send(SendRequest(line: line))
        hasRefused = hasRefused || outcome.verdict != .accepted
        let row = RowBuffer()
        row.append(text: outcome.id)
        for text in [outcome.verdict.rawValue, outcome.code, outcome.text, "\(outcome.topic) \(outcome.key)"]
        {
          row.append(text: text)
        }
        row.cells.append(.integer(Int64(outcome.version)))
        row.append(text: outcome.token.description)
        try sink.row(row)
      }
    }
    try sink.finish()
    if hasRefused { throw ExitCodes.findings }
  }

  private func line() throws -> [UInt8] {
    var text = "{\"id\":" + JSONText.string(id ?? EventID.fresh()) + ",\"type\":" + JSONText.string(type)
    if let key { text += ",\"key\":" + JSONText.string(key) }
    if let time { text += ",\"time\":" + JSONText.string(time) }
    return Array((text + ",\"data\":").utf8) + (try ObjectOption.bytes(data ?? "{}")) + Array("}".utf8)
  }

  private func report(_ outcome: SendOutcome, _ session: CommandSession) throws {
    let stream = "\(outcome.topic) \(outcome.key)"
    if outcome.verdict != .accepted {
      try session.note("\(outcome.verdict.rawValue) \(outcome.code): \(outcome.text)")
    } else if outcome.events.isEmpty {
      try session.note("accepted: nothing happened")
    }
    if outcome.isRepeat { try session.note("it was sent before; this is the answer that it got") }
    let sink = PrintingSink(options)
    var names = ["outcome", "event", "id", "stream", "version", "token"]
    if outcome.verdict != .accepted { names += ["code", "text"] }
    if explain { names += ["before", "after"] }
    try sink.columns(names)
    let first = outcome.version - outcome.events.count
    for (index, event) in outcome.events.enumerated() {
      try sink.row(row(outcome, event, stream, version: first + index + 1))
    }
    if outcome.events.isEmpty { try sink.row(row(outcome, nil, stream, version: outcome.version)) }
    try sink.finish()
  }

  private func row(
    _ outcome: SendOutcome, _ event: (id: String, type: String)?, _ stream: String, version: Int
  ) -> RowBuffer {
    let row = RowBuffer()
    func add(_ text: String?) {
      if let text { row.append(text: text) } else { row.cells.append(.null) }
    }
    add(outcome.verdict.rawValue)
    add(event?.type)
    add(event?.id)
    add(stream)
    row.cells.append(.integer(Int64(version)))
    add(outcome.token.description)
    if outcome.verdict != .accepted {
      add(outcome.code)
      add(outcome.text)
    }
    if explain {
      add(outcome.before)
      add(outcome.after)
    }
    return row
  }
}

import ArgumentParser
import MoontideCore
import MoontideHost

/// `append [TYPE] [-d JSON|@FILE|-] [--key K] [--topic T]`
struct AppendCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "append", abstract: "Publish events; returns when they are on disk.",
    usage: "moontide append <type> -d <json> [--key <key>] [--topic <topic>]\n"
      + "       moontide append - [--topic <topic>]",
    discussion: """
      moontide append OrderPlaced -d '{"total":100}' --key o-1   one event
      moontide append -                                          event lines from stdin, all to --topic

      Prints the token that `query --after` takes to read your own writes.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The event's type; or - for event lines from stdin.") var type: String
  @Option(
    name: [.customShort("d"), .long],
    help: ArgumentHelp("The event's data: an object, @FILE, or - for stdin.", valueName: "JSON"))
  var data: String?
  @Option(help: "The event's key; default: its id.") var key: String?
  @Option(help: "The event's id; default: a new one.") var id: String?
  @Option(help: "The event's time, RFC 3339; default: the time of recording.") var time: String?
  @Option(name: .customLong("event-version"), help: "The version of the event's type.") var eventVersion:
    UInt32?
  @Option(help: "Where to.") var topic = "events"

  func validate() throws {
    guard let name = TopicName(topic), !name.isSystem else {
      throw ValidationError(
        "a topic has 1 to 64 of A-Z a-z 0-9 . _ - and does not begin with _, unlike \(topic)")
    }
    if type == "-" {
      guard data == nil, key == nil, id == nil, time == nil, eventVersion == nil else {
        throw ValidationError("with - each line carries its own envelope: only --topic goes with it")
      }
    } else if data == nil {
      throw ValidationError("an event has data: -d '{…}', -d @FILE or -d -")
    }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project()
      guard let topic = TopicName(topic) else { throw ValidationError("no topic \(topic)") }
      let publisher = LinePublisher(try ProjectDoor.access(project), topic: topic)
      if type == "-" {
        while true {
          let part = StandardInput.chunk(1 << 18)
          if part.isEmpty { break }
          try publisher.take(part)
        }
      } else {
        try publisher.take(try line())
      }
      let outcome = try publisher.finish()
      try report(outcome, session)
    }
  }

  private func report(_ outcome: PublishOutcome, _ session: CommandSession) throws {
    let sink = PrintingSink(options)
    try sink.columns(["published", "repeats", "token"])
    let row = RowBuffer()
    row.cells = [.integer(Int64(outcome.published)), .integer(Int64(outcome.repeats))]
    row.append(text: outcome.end.description)
    try sink.row(row)
    try sink.finish()
  }

  /// The envelope line of the one event.
  private func line() throws -> [UInt8] {
    var text = "{\"id\":" + JSONText.string(id ?? EventID.fresh()) + ",\"type\":" + JSONText.string(type)
    if let eventVersion { text += ",\"version\":\(eventVersion)" }
    if let key { text += ",\"key\":" + JSONText.string(key) }
    if let time { text += ",\"time\":" + JSONText.string(time) }
    return Array((text + ",\"data\":").utf8) + (try ObjectOption.bytes(data ?? "{}")) + Array("}\n".utf8)
  }
}

import ArgumentParser
import Glibc
import MoontideCore
import MoontideHost

/// `events cat|tail|show|stats|verify|repair|export [DIR]`
struct EventsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "events", abstract: "Look at the log.",
    subcommands: [
      EventsCat.self, EventsTail.self, EventsShow.self, EventsStats.self, EventsVerify.self,
      EventsRepair.self, EventsExport.self,
    ])
}

/// Which events are meant.
struct EventFilter: ParsableArguments {
  @Option(help: "Of this topic only.") var topic: String?
  @Option(help: "Of this type only.") var type: String?
  @Option(help: "Of this key only.") var key: String?

  /// The statement that lists them from a position on.
  func statement(from position: UInt64, limit: Int?) -> String {
    var text = "select position, topic, partition, offset, type, version, key, time, id, data from sys.events"
    text += " where position >= \(position)"
    for (column, value) in [("topic", topic), ("type", type), ("key", key)] {
      if let value { text += " and \(column) = \(SQLText.quoted(value))" }
    }
    text += " order by position"
    if let limit { text += " limit \(limit)" }
    return text
  }
}

struct EventsCat: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cat", abstract: "Print events in order of position.",
    usage: "moontide events cat [<dir>] [--topic <topic>] [--type <type>] [--key <key>]"
      + " [--from <from>] [--limit <limit>]",
    discussion: "Example: moontide events cat shop --type OrderPlaced --limit 5")

  @OptionGroup var options: GlobalOptions
  @OptionGroup var filter: EventFilter
  @Argument(help: "The project.") var directory: String?
  @Option(help: "From this position on.") var from: UInt64 = 0
  @Option(help: "At most so many.") var limit: Int?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      try session.print(
        QueryRequest(filter.statement(from: from, limit: limit), timeout: .seconds(3600), rowsMax: .max),
        of: project)
    }
  }
}

struct EventsTail: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tail", abstract: "Print the last events, then those that come, until Ctrl-C.",
    usage: "moontide events tail [<dir>] [-n <lines>] [--no-follow] [--topic <topic>]"
      + " [--type <type>] [--key <key>]",
    discussion: "Example: moontide events tail shop --key o-1001")

  @OptionGroup var options: GlobalOptions
  @OptionGroup var filter: EventFilter
  @Argument(help: "The project.") var directory: String?
  @Option(name: [.customShort("n"), .long], help: "How many of the last to begin with.") var lines: UInt64 =
    10
  @Flag(help: "Do not wait for more.") var noFollow = false

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      Signals.install()
      let sink = FollowingSink(PrintingSink(options))
      let last = LastPosition()
      try ProjectDoor.access(project).query(QueryRequest("select max(position) from sys.events"), to: last)
      var next = last.next > lines ? last.next - lines : 0
      repeat {
        try ProjectDoor.access(project).query(
          QueryRequest(filter.statement(from: next, limit: nil), timeout: .seconds(3600), rowsMax: .max),
          to: sink)
        next = max(next, sink.next)
        if noFollow { break }
        usleep(200_000)
      } while Signals.received == 0
      try sink.finish()
    }
  }
}

/// Passes on the rows of statement after statement as one listing.
private final class FollowingSink: RowSink {
  private let printer: PrintingSink
  private var begun = false
  private(set) var next: UInt64 = 0

  init(_ printer: PrintingSink) { self.printer = printer }

  func columns(_ names: [String]) throws(Diagnostic) {
    if !begun { try printer.columns(names) }
    begun = true
  }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    next = UInt64(row.cells[0].bits) + 1
    try printer.row(row)
  }

  func finish() throws(OutputClosed) { try printer.finish() }
}

/// The position after the one that a query gave.
private final class LastPosition: RowSink {
  private(set) var next: UInt64 = 0
  func columns(_ names: [String]) throws(Diagnostic) {}
  func row(_ row: RowBuffer) throws(Diagnostic) {
    if row.cells[0].kind == .integer { next = UInt64(row.cells[0].bits) + 1 }
  }
}

struct EventsShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "One event with everything known of it, and what handlers see of it.",
    usage: "moontide events show [<dir>] <position-or-id>",
    discussion: "Example: moontide events show shop 12")

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then a position or an id.", valueName: "dir> <position-or-id"))
  var words: [String]

  func validate() throws {
    guard (1...2).contains(words.count) else {
      throw ValidationError("events show takes [DIR] and a position or an id")
    }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(words.count == 2 ? words[0] : nil)
      let word = words[words.count - 1]
      var vertical = options
      if !options.json && options.format == nil { vertical.format = .line }
      let sink = PrintingSink(vertical)
      let isPosition = UInt64(word.hasPrefix("#") ? String(word.dropFirst()) : word)
      let condition = isPosition.map { "position = \($0)" } ?? "id = \(SQLText.quoted(word))"
      let seeing = try SeeingSink(sink, project)
      try ProjectDoor.access(project).query(
        QueryRequest("select * from sys.events where \(condition)", timeout: .seconds(600)), to: seeing)
      try session.show(seeing.problems)
      guard sink.count > 0 else {
        throw Diagnostic(
          code: HostCode.noSuchEvent.code, "there is no event \(word)",
          details: [.init("help", "moontide events tail shows the last ones")])
      }
      try sink.finish()
    }
  }
}

struct EventsStats: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "stats", abstract: "Events by topic and type.",
    usage: "moontide events stats [<dir>]",
    discussion: "Example: moontide events stats shop")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      try session.print(
        QueryRequest(
          """
          select topic, type, max(version) as version, count(*) as events, count(distinct key) as keys,
            min(position) as first, max(position) as last, min(time) as first_time, max(time) as last_time
          from sys.events group by topic, type order by topic, type
          """, timeout: .seconds(3600)), of: project)
    }
  }
}

struct EventsVerify: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Check every byte of the log.",
    usage: "moontide events verify [<dir>]",
    discussion: "Example: moontide events verify shop")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      let bar = ProgressBar(
        "verify", unit: "bytes", to: StreamSink.standardError(), terminal: .standardError(options.color),
        quiet: options.quiet, clock: SystemSurroundings.clock)
      let result = try MoontideProject.verify(project) { done, total throws(Diagnostic) in
        do throws(OutputClosed) { try bar.update(done: done, total: total) } catch {
          throw Diagnostic(code: HostCode.output.code, "stderr takes no more (errno \(error.errno))")
        }
      }
      try bar.finish()
      try session.show(result.problems)
      if let tail = result.tornTail { try session.show([tail]) }
      try session.show(result.gaps)
      let verdict = result.problems.isEmpty ? "all good" : "\(result.problemCount) problems"
      try session.note(
        "\(Figures.grouped(result.records)) records in \(Figures.grouped(result.batches)) batches, "
          + "\(Figures.grouped(result.bytes)) bytes, up to \(result.end): \(verdict)")
      if !result.problems.isEmpty { throw ExitCodes.failed }
    }
  }
}

struct EventsExport: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Write events as JSON lines with the envelope fields that were given.",
    usage: "moontide events export [<dir>] [--topic <topic>] [--no-recorded] [--output <folder>]",
    discussion: "Example: moontide events export shop --output copy/events")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?
  @Option(help: "Of this topic only.") var topic: String?
  @Flag(help: "Leave out the time of recording.") var noRecorded = false
  @Option(help: "Write an event directory here, one folder a topic, instead of to stdout.") var output:
    String?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      let wanted = try topic.map { text in
        guard let name = TopicName(text) else { throw ValidationError("\(text) is not a topic's name") }
        return name
      }
      let sink: any FinishingByteSink =
        try output.map { path in try FolderSink(path) } ?? StandardOutputSink()
      try ProjectDoor.access(project).export(
        ExportRequest(topic: wanted, recorded: !noRecorded), to: sink)
      try sink.finish()
    }
  }
}

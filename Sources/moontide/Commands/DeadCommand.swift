import ArgumentParser
import MoontideCore
import MoontideHost

/// `dead ls|show|retry|edit|skip|export [DIR]`
struct DeadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "dead", abstract: "Events that a handler could not apply, and lines that are no events.",
    subcommands: [
      List.self, Show.self, DeadRetryCommand.self, DeadSkipCommand.self, DeadEditCommand.self,
      DeadExportCommand.self,
    ], defaultSubcommand: List.self)

  /// Grouped by fault: handler, error, line.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "Dead letters and quarantined lines, grouped by fault.",
      usage: "moontide dead ls [<dir>] [--max <max>]",
      discussion: "Example: moontide dead ls shop")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The project.") var directory: String?
    @Option(help: "Exit 1 when there are more than this.") var max: Int64?

    /// One fault is one place in a script, whatever its messages hold of the events; of quarantined lines one
    /// rule and file. The first of each stands for all.
    static let groups = """
      with letters as (select * from sys.dead_letters),
      faults as (
        select fault, count(*) as events, count(distinct key) as keys, sum(held) as held,
          min(position) as first, min(time) as first_time, max(time) as last_time
        from letters group by fault)
      select faults.fault, letters.handler, letters.code, letters.error, letters.place, faults.events,
        faults.keys, faults.held, letters.id as first, faults.first_time, faults.last_time
      from faults join letters on letters.position = faults.first and letters.fault = faults.fault
      order by faults.first, letters.handler
      """

    private static let mended = """
      select letters.handler, handlers.kind, count(*) as events from sys.dead_letters letters
      join sys.handlers handlers on handlers.name = letters.handler
      where letters.mended = 1 group by letters.handler order by letters.handler
      """

    func run() throws {
      let session = CommandSession(options)
      try session.perform {
        let project = try session.project(directory)
        let access = try ProjectDoor.access(project)
        let sink = PrintingSink(options)
        try access.query(QueryRequest(List.groups), to: sink)
        try sink.finish()
        try offer(access, session)
        if let max {
          let count = CountingSink()
          try access.query(QueryRequest("select count(*) from sys.dead_letters"), to: count)
          if count.value > max { throw ExitCodes.findings }
        }
      }
    }

    /// A handler that was mended since offers the retry.
    private func offer(_ access: any ProjectAccess, _ session: CommandSession) throws {
      let mended = TextRowsSink()
      try access.query(QueryRequest(List.mended), to: mended)
      for row in mended.rows {
        let next =
          row[1] == "projection"
          ? "it is rebuilt once that is taken up (run --watch, moontide reload, or the next start of run)"
          : "moontide dead retry \(row[0]) (--dry-run says what would happen)"
        try session.note("\(row[1]) \(row[0]) was edited since \(row[2]) of these failed: \(next)")
      }
    }
  }

  /// One of them, with everything that is known.
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "A dead letter or a quarantined line with event, error and place.",
      usage: "moontide dead show [<dir>] <id>",
      discussion: """
        Where several handlers failed on one event, d-12 shows it for each, d-12@receipts for one.

        Example: moontide dead show shop d-12
        """)

    @OptionGroup var options: GlobalOptions
    @Argument(help: ArgumentHelp("The project, then an id such as d-48211.", valueName: "dir> <id"))
    var words: [String]

    func validate() throws {
      guard (1...2).contains(words.count) else {
        throw ValidationError("dead show takes [DIR] and an id such as d-48211")
      }
    }

    func run() throws {
      let session = CommandSession(options)
      try session.perform {
        let project = try session.project(words.count == 2 ? words[0] : nil)
        let id = words[words.count - 1]
        let parts = id.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
        guard id.hasPrefix("d-"), let position = UInt64(parts[0].dropFirst(2)) else {
          throw Diagnostic(
            code: HostCode.noSuchDeadLetter.code, "a dead letter's id is d- and a position, unlike \(id)",
            details: [.init("help", "moontide dead ls shows the ids")])
        }
        let one = parts.count == 2 ? " and letters.handler = \(SQLText.quoted(String(parts[1])))" : ""
        var vertical = options
        if !options.json && options.format == nil { vertical.format = .line }
        let sink = PrintingSink(vertical)
        let seeing = try SeeingSink(sink, project)
        let access = try ProjectDoor.access(project)
        try access.query(
          QueryRequest(
            """
            select letters.*, events.data, events.meta from sys.dead_letters letters
            left join sys.events events on events.position = letters.position
            where letters.position = \(position)\(one) order by letters.handler
            """), to: seeing)
        try session.show(seeing.problems)
        guard sink.count > 0 else {
          throw Diagnostic(
            code: HostCode.noSuchDeadLetter.code, "there is no dead letter \(id)",
            details: [.init("help", "moontide dead ls shows those that there are")])
        }
        try sink.finish()
        if sink.count > 1 { try tellCandidates(position, access, session) }
      }
    }

    /// An event that several handlers failed on has one id for all of them.
    private func tellCandidates(_ position: UInt64, _ access: any ProjectAccess, _ session: CommandSession)
      throws
    {
      let rows = TextRowsSink()
      try access.query(
        QueryRequest("select handler from sys.dead_letters where position = \(position) order by handler"),
        to: rows)
      let names = rows.rows.map { "d-\(position)@\($0[0])" }.joined(separator: ", ")
      try session.note(
        "d-\(position) stands for \(rows.rows.count) dead letters, one of each handler that failed: \(names)")
    }
  }
}

/// Takes the one integer of a query.
private final class CountingSink: RowSink {
  private(set) var value: Int64 = 0
  func columns(_ names: [String]) throws(Diagnostic) {}
  func row(_ row: RowBuffer) throws(Diagnostic) { value = row.cells[0].bits }
}

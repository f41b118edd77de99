import ArgumentParser
import MoontideCore
import MoontideHost

/// `projection diff NAME [--with FILE]`
struct ProjectionDiffCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "diff", abstract: "What a changed script does to a read model, before it goes live.",
    usage: "moontide projection diff [<dir>] <name> [--with <file>] [--samples <n>] [-o <format>]",
    discussion: """
      With --with FILE, FILE takes the place of the script in which the projection is defined, all else is as \
      on disk, and the two are compared. Without it the script on disk is compared with the live read model, \
      while that is still of an older script. What is needed of the log is folded into files below .moontide, \
      which go again: nothing is changed, no effect is caused, and a run beside it is not disturbed.

      Told are tables and columns that come or go; rows added, removed and changed, by table and column, with \
      samples; and the first event after which each of them differs, for which both versions are folded once \
      more, event by event (--no-first leaves that out; of more than a million differing values the first \
      ones of each table are searched, and a note says so). Rows of a table without a primary key, and of \
      views, are matched by content. Events that only one version sets aside as dead letters, or handles at \
      all, are told too. A new column does not make its rows changed ones.

      Exit code: 0 no difference, 1 a difference, 2 it could not be found out.

      With --json or -o the report comes as rows of one width: table, change, column, rows, key, old, new, \
      first_position, first_time, first_type, first_key, first_id. Counts have `rows`: "table added", "table \
      removed", "table redefined", "key changed", "column added", "column removed" (rows: values that are not \
      NULL), "rows added", "rows removed", "rows changed" (with a column: of that column), "not compared", \
      "handled" (key: the type), "halted", "dead letters added", "… removed", "… changed". Samples have \
      values: "row added", "row removed" (old or new: the row as JSON), "value changed", "dead letter added", \
      "… removed", "… changed" (old and new: the error). A key of several columns is a JSON list.

      Example: git show HEAD:handlers/orders.lua | moontide projection diff shop order_status --with -
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then a projection.", valueName: "dir> <name"))
  var words: [String]
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("The script to compare with; - reads it from stdin.", valueName: "FILE"))
  var with: String?
  @Option(help: ArgumentHelp("How many samples of each kind are shown.", valueName: "N"))
  var samples = Limits.diffSamplesDefault
  @Flag(help: "Do not search the first event of each difference.") var noFirst = false

  func validate() throws {
    guard (1...2).contains(words.count) else {
      throw ValidationError("projection diff takes [DIR] and a name")
    }
    guard (0...Limits.diffSamplesMax).contains(samples) else {
      throw ValidationError("--samples is a number from 0 to \(Limits.diffSamplesMax)")
    }
  }

  func run() throws {
    let session = CommandSession(options)
    Signals.install()
    try session.perform {
      let project = try session.project(words.count == 2 ? words[0] : nil)
      let name = words[words.count - 1]
      var request = DiffRequest(name, script: try script(of: project))
      request.samples = samples
      request.tracesEvents = !noFirst
      let outcome: DiffOutcome
      do throws(ProjectFault) {
        outcome = try ProjectionDiff(project).run(request, observer: DiffReporter(session))
      } catch {
        if Signals.received > 0 { throw ExitCodes.interrupted }
        throw error
      }
      switch outcome {
      case .same(let reason):
        if options.json { try DiffRows(options).print(nil) }
        try session.note("nothing to compare: \(reason)")
      case .report(let report): try tell(report, session)
      }
    }
  }

  private func script(of project: ProjectPaths) throws(Diagnostic) -> DiffRequest.Script? {
    guard let with else { return nil }
    let bytes = try TextFile.bytes(with)
    if with == "-" { return .init(path: "stdin", text: bytes) }
    return .init(path: try ProjectFinder.absolute(with), text: bytes)
  }

  private func tell(_ report: DiffReport, _ session: CommandSession) throws {
    try session.show(report.warnings)
    for note in report.notes { try session.note("note: \(note)") }
    if options.json || options.format != nil {
      try DiffRows(options).print(report)
    } else if report.isDifferent {
      let terminal = Terminal.standardOutput(options.color)
      try StreamSink.standardOutput().write(DiffText(report, terminal: terminal).text)
    }
    guard report.isDifferent else {
      let tables = Figures.counted(UInt64(report.compared.tables), "table")
      return try session.note(
        "\(report.new.name) stays as it is up to \(report.end): "
          + "\(Figures.counted(report.compared.rows, "row")) in \(tables)")
    }
    throw ExitCodes.findings
  }
}

/// Shows how far a comparison is; ends it at a request to end.
private final class DiffReporter: DiffObserver {
  private let session: CommandSession
  private var bar: (what: String, bar: ProgressBar)?

  init(_ session: CommandSession) { self.session = session }

  func working(_ what: String, done: UInt64, total: UInt64?) throws(Diagnostic) {
    // The command says what it was: whatever is thrown here only ends the work.
    if Signals.received > 0 { throw Diagnostic(code: HostCode.connection.code, "interrupted") }
    if bar?.what != what {
      let options = session.options
      let made = ProgressBar(
        what, unit: what == "compare" ? "rows" : "events", to: StreamSink.standardError(),
        terminal: .standardError(options.color), quiet: options.quiet, clock: SystemSurroundings.clock)
      bar = (what, made)
    }
    try told { [bar] () throws(OutputClosed) in try bar?.bar.update(done: done, total: total) }
  }

  func done(_ what: String) throws(Diagnostic) {
    guard bar?.what == what else { return }
    try told { [bar] () throws(OutputClosed) in try bar?.bar.finish() }
    bar = nil
  }

  private func told(_ body: () throws(OutputClosed) -> Void) throws(Diagnostic) {
    do throws(OutputClosed) { try body() } catch {
      throw Diagnostic(code: HostCode.output.code, "stderr takes no more (errno \(error.errno))")
    }
  }
}

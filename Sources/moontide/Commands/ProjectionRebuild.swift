import ArgumentParser
import MoontideCore
import MoontideHost

/// `projection rebuild NAME`
struct ProjectionRebuild: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rebuild",
    abstract: "Fold a read model anew, beside the one in use, and put it in its place.",
    usage: "moontide projection rebuild [<dir>] <name>",
    discussion: """
      The read model in use goes on serving, and keeps up, until the new one has caught up and was looked \
      through. Works beside a run and without one. Beside a run Ctrl-C ends the waiting only: the rebuild \
      goes on. The former read model is kept for projection rollback.

      Example: moontide projection rebuild shop orders
      """)

  @OptionGroup var options: GlobalOptions
  @OptionGroup var words: RebuildWords

  func run() throws { try words.ask(options, told: "is rebuilt") { RebuildRequest($0) } }
}

/// `projection rollback NAME`
struct ProjectionRollback: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollback", abstract: "Put the read model back that the one in use took the place of.",
    usage: "moontide projection rollback [<dir>] <name>",
    discussion: """
      It goes on from where it was left, by the script that it was folded by, which the log keeps, and takes \
      its place once it has caught up; the one in use is kept as the former one, so that a second rollback \
      undoes the first. The script on disk stays as it is: the projection runs by the former version, also \
      after a restart, until that script is edited to something else, or projection rebuild takes it up. Works \
      beside a run and without one.

      Example: moontide projection rollback shop orders
      """)

  @OptionGroup var options: GlobalOptions
  @OptionGroup var words: RebuildWords

  func run() throws { try words.ask(options, told: "is rolled back") { RebuildRequest($0, .rollBack) } }
}

/// `[DIR] NAME` of a read model that is to be replaced.
struct RebuildWords: ParsableArguments {
  @Argument(help: ArgumentHelp("The project, then a projection.", valueName: "dir> <name"))
  var words: [String]

  func validate() throws {
    guard (1...2).contains(words.count) else {
      throw ValidationError("projection rebuild and rollback take [DIR] and a name")
    }
  }

  /// Asks for it, waits, and says what came of it.
  func ask(_ options: GlobalOptions, told what: String, _ request: (String) -> RebuildRequest) throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(words.count == 2 ? words[0] : nil)
      let watcher = RebuildWatcher(session)
      let outcome = try ProjectDoor.access(project).rebuild(
        request(words[words.count - 1]), observer: watcher)
      try watcher.finish()
      try RebuildWatcher.tell(outcome, what, options, session)
    }
  }
}

/// What a person sees while he waits for a read model.
final class RebuildWatcher: RebuildObserver {
  private let session: CommandSession
  private let bar: ProgressBar

  init(_ session: CommandSession) {
    self.session = session
    let options = session.options
    bar = ProgressBar(
      "rebuild", unit: "events", to: StreamSink.standardError(), terminal: .standardError(options.color),
      quiet: options.quiet, clock: SystemSurroundings.clock)
  }

  func progress(_ status: RebuildStatus) throws(Diagnostic) {
    try told { () throws(OutputClosed) in
      try bar.update(done: min(status.position, status.end).value, total: status.end.value)
    }
  }

  func problem(_ problem: Diagnostic) throws(Diagnostic) {
    try told { () throws(OutputClosed) in try session.show([problem]) }
  }

  private func told(_ body: () throws(OutputClosed) -> Void) throws(Diagnostic) {
    do throws(OutputClosed) { try body() } catch {
      throw Diagnostic(code: HostCode.output.code, "stderr takes no more (errno \(error.errno))")
    }
  }

  func finish() throws(OutputClosed) { try bar.finish() }

  /// One line for a person, one row for `--json` and the like.
  static func tell(
    _ outcome: RebuildOutcome, _ what: String, _ options: GlobalOptions, _ session: CommandSession
  ) throws {
    if options.json || options.format != nil {
      let sink = PrintingSink(options)
      try sink.columns(["projection", "version", "position"])
      let row = RowBuffer()
      row.append(text: outcome.name)
      row.append(text: outcome.version)
      row.cells.append(.integer(Int64(outcome.position.value)))
      try sink.row(row)
      return try sink.finish()
    }
    try session.note(
      "\(outcome.name) \(what): version \(outcome.version) serves, up to \(outcome.position)")
  }
}

import ArgumentParser
import MoontideCore
import MoontideHost

/// `run [DIR] [--once] [--only NAME]…`
struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run", abstract: "Ingest the event directory and run every handler.",
    usage:
      "moontide run [<dir>] [--once | --watch] [--until <time>] [--only <name>]… [--strict] [--fail-on-dead]",
    discussion: """
      Goes on until Ctrl-C, taking lines as they are appended; with --once it ends when everything is \
      applied, with --until TIME event time is moved on once it is, so that timers of sagas fire that are \
      due by then. With --watch scripts are taken up as they are edited, all that changed or nothing; SIGHUP \
      and moontide reload do so at once, with and without it. A handler whose script is gone leaves its file in \
      data/archive, and goes on with it once the script is back. The first Ctrl-C finishes what is in flight and \
      checkpoints, a second one ends at once.

      Example: moontide run shop --watch
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?
  @Flag(help: "Stop when all lag is 0, every retry has ended and every outbox is relayed.") var once = false
  @Option(help: ArgumentHelp("Run this handler only; may be repeated.", valueName: "NAME")) var only:
    [String] = []
  @Flag(help: "Exit 1 when events or effects are dead, or lines quarantined.") var failOnDead = false
  @Flag(help: "Stop at the first bad line with exit code 65.") var strict = false
  @Option(
    help: ArgumentHelp(
      "Write how the run stands to this file every few seconds, as Prometheus text.", valueName: "PATH"))
  var metricsFile: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Move event time on, once all is applied: timers due by then fire.", valueName: "TIME")
  )
  var until: String?
  @Flag(help: "Take up scripts as they are edited.") var watch = false

  func validate() throws {
    if watch, once {
      throw ValidationError("--watch is for a run that goes on; with --once the next run takes edits up")
    }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let paths = try session.project(directory)
      Signals.install(reloads: !once)
      let watcher = RunWatcher(options, tails: !once)
      guard let project = try open(paths, watcher) else { return }
      if !project.refused.isEmpty {
        try session.show(project.refused)
        try session.note("these scripts do not load: those run that were last at work, until they are mended")
      }
      try session.show(project.warnings)
      var settings = RunOptions()
      settings.once = once
      settings.strict = strict
      settings.watch = watch
      settings.reloadsAsked = { Signals.hungUp }
      settings.metricsFile = metricsFile
      settings.until = try until.map { try instant($0, session) }
      settings.only = only.isEmpty ? nil : Set(only)
      let report = try project.run(settings, observer: watcher, until: { Signals.received > 0 })
      if let left = try project.close() { try session.show([left]) }
      try watcher.finish(report)
      if failOnDead, report.deadLetters + report.quarantined + report.deadEffects > 0 {
        throw ExitCodes.findings
      }
    }
  }

  /// A day stands for its start.
  private func instant(_ text: String, _ session: CommandSession) throws -> EventTime {
    let time: EventTime
    do throws(TimeExpressionFault) {
      let now = SystemSurroundings.clock.now
      guard case .instant(let parsed) = try TimeExpression.parse(text, as: .start, now: now, zone: .utc)
      else {
        throw TimeExpressionFault(text: text, reason: "event time is moved on to an instant, not to a place")
      }
      time = parsed
    } catch { throw error.diagnostic }
    try session.note("event time is moved on to \(time)")
    return time
  }

  /// Waits for room on a full disk and the like; nil when it was asked to end before.
  private func open(_ paths: ProjectPaths, _ watcher: RunWatcher) throws -> MoontideProject? {
    var isTold = false
    return try MoontideProject.open(paths, orKept: watch) { problem throws(ProjectFault) in
      if !isTold { try ProjectFault.told { () throws(Diagnostic) in try watcher.problem(problem) } }
      isTold = true
      return Signals.received == 0
    }
  }
}

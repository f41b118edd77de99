import ArgumentParser
import MoontideCore
import MoontideHost

/// `state DECIDER KEY [--as-of T] [--as-known T] [--tz ZONE] [--version N] [--history]`
struct StateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "state", abstract: "The state of one stream of a decider, now or then.",
    usage: """
      moontide state <decider> <key> [--as-of <time>] [--as-known <time>] [--tz <zone>] [--version <n>] \
      [--history]
      """,
    discussion: """
      Folds the stream's events by the decider's script, from the log: no snapshot is trusted. A row has the \
      version, which is the number of events so far, the last of them (position, time, type), and the state \
      as JSON. A stream without events has version 0 and the state that its first command would meet.

      \(PastOptions.explanation)

      --version N counts the first N of the events that count then. --history shows the state after each of \
      them.

      Examples:
        moontide state account a-1
        moontide state account a-1 --as-of 2026-03-02 --history
        moontide state account a-1 --version 3 --json
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The decider's name.") var decider: String
  @Argument(help: "The stream's key.") var key: String
  @OptionGroup var past: PastOptions
  @Option(help: ArgumentHelp("The state after so many events.", valueName: "N")) var version: Int?
  @Flag(help: "A row for each event.") var history = false

  func validate() throws {
    if let version, version < 0 { throw ValidationError("--version is a number of events, not \(version)") }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let access = try ProjectDoor.access(try session.project())
      let sink = PrintingSink(options)
      try access.state(
        StateRequest(
          decider: decider, key: key, past: try past.moment() ?? PastMoment(), version: version,
          history: history), to: sink, observer: PastReporter(session))
      try sink.finish()
    }
  }
}

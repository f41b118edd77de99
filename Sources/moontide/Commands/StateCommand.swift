import ArgumentParser
import MoontideCore
import MoontideHost

/// `state DECIDER KEY [--as-of T] [--as-known T] [--version N] [--history]`
struct StateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "state", abstract: "The state of one stream of a decider, now or then.",
    usage: """
      moontide state <decider> <key> [--as-of <time>] [--as-known <time>] [--stream-version <n>] [--history]
      """,
    discussion: """
      Folds the stream's events by the decider's script. --as-of T counts what had happened by then, --as-known T \
      what the log held by then, --version N the first N events; --history shows the state after each event.

      Example: moontide state order o-1 --as-of yesterday
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The decider's name.") var decider: String
  @Argument(help: "The stream's key.") var key: String
  @OptionGroup var past: PastOptions
  @Option(
    name: [.customLong("version"), .customLong("stream-version")],
    help: ArgumentHelp("The state after so many events.", valueName: "N"))
  var version: Int?
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
          history: history), to: sink)
      try sink.finish()
    }
  }
}

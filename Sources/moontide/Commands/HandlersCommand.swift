import ArgumentParser
import MoontideHost

/// `handlers [DIR]`
struct HandlersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlers", abstract: "Every handler with kind, version, state and lag.",
    usage: "moontide handlers [<dir>]",
    discussion: "Example: moontide handlers shop")

  static let statement = """
    select name, kind, version, state, checkpoint, lag, applied, held, parked, dead, rate, p99_ms
    from sys.handlers order by name
    """

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      try session.print(QueryRequest(HandlersCommand.statement), of: project)
    }
  }
}

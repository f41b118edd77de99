import ArgumentParser
import MoontideHost

/// The one binary; each command is a file in `Commands/`.
@main
struct Moontide: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "moontide", abstract: "Events in, read models out: handlers in Lua, exactly once.",
    discussion: """
      A project is a folder with events/, handlers/ and, once it has run, data/. Commands find it at -C DIR, \
      at their argument, or at or above the working directory.
      """,
    version: MoontideVersion.text,
    subcommands: [
      NewCommand.self, RunCommand.self, CheckCommand.self, QueryCommand.self, ReplCommand.self,
      AppendCommand.self,
      SendCommand.self, StateCommand.self,
      EventsCommand.self, HandlersCommand.self, LagCommand.self, DeadCommand.self, EffectsCommand.self,
      SagaCommand.self, WhyCommand.self, ImpactCommand.self, ReloadCommand.self, DoctorCommand.self,
      ProjectionCommand.self, BackupCommand.self, RestoreCommand.self,
      ExplainCommand.self,
    ] + LaterCommands.all)

  static func main() {
    let words = CommandWords(Array(CommandLine.arguments.dropFirst()))
    if let problem = words.problem { exit(withError: ValidationError(problem)) }
    main(words.words)
  }
}

import ArgumentParser
import MoontideHost

/// `dead skip [DIR] GROUP|ID|HANDLER… --reason TEXT`
struct DeadSkipCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "skip", abstract: "Never apply dead letters; what waits behind them goes on.",
    discussion: "The log keeps the events, and the decision with its reason.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then ids, groups or handlers.", valueName: "dir> <what"))
  var words: [String] = []
  @Flag(help: "Everything that dead ls shows.") var all = false
  @Option(help: "Why; kept with the decision.") var reason: String
  @Flag(help: "On a copy: say what would follow and which rows would change.") var dryRun = false

  func validate() throws {
    if reason.allSatisfy(\.isWhitespace) {
      throw ValidationError("--reason says why, for those who come later")
    }
  }

  func run() throws {
    let names = try DeadNames(words, options, all: all)
    try CommandSession(options).decide(
      DeadRequest(.skip, names.names, reason: reason, rehearses: dryRun), of: names.directory)
  }
}

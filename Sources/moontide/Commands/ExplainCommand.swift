import ArgumentParser
import MoontideCore

/// `explain CODE`
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "What an error code means and what to do; without one, all of them.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "Such as E0301.") var code: String?
}

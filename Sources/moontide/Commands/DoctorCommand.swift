import ArgumentParser
import MoontideHost

/// `doctor [DIR]`
struct DoctorCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "doctor", abstract: "Look at the whole project for what is wrong, and say what to do.",
    usage: "moontide doctor [<dir>]",
    discussion: "Example: moontide doctor shop")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?
  @Flag(help: "Compare every read model with a fresh fold of the log too.") var full = false

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      let sink = PrintingSink(options)
      let healthy = try Doctor(project, full: full).examine(to: sink)
      try sink.finish()
      if !healthy { throw ExitCodes.findings }
    }
  }
}

import ArgumentParser
import MoontideHost

/// `check [DIR]`
struct CheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Load every script and schema, report all problems and what may be better; runs no handler.",
    usage: "moontide check [<dir>]",
    discussion: "Example: moontide check shop")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      let result = try MoontideProject.check(project)
      try session.show(result.problems)
      let errors = result.problems.count { $0.severity == .error }
      if errors > 0 {
        try session.note("\(errors) \(errors == 1 ? "problem" : "problems") in \(project.root)")
        throw ExitCodes.failed
      }
      try session.note("ok: \(result.summary)")
    }
  }
}

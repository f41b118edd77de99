import ArgumentParser
import MoontideCore
import MoontideHost

/// `projection verify|rebuild NAME`
struct ProjectionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "projection", abstract: "Look after read models.",
    subcommands: [
      ProjectionVerify.self, ProjectionRebuild.self, ProjectionDiffCommand.self, ProjectionRollback.self,
    ])
}

struct ProjectionVerify: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "verify", abstract: "Compare a read model with a fresh fold of the log.",
    discussion: """
      Works beside a run too: the read model is copied as of one commit. Prints each row that differs and \
      exits 1 when there is one.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then a projection.", valueName: "dir> <name"))
  var words: [String]

  func validate() throws {
    guard (1...2).contains(words.count) else {
      throw ValidationError("projection verify takes [DIR] and a name")
    }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(words.count == 2 ? words[0] : nil)
      let name = words[words.count - 1]
      let bar = ProgressBar(
        "fold", unit: "events", to: StreamSink.standardError(), terminal: .standardError(options.color),
        quiet: options.quiet, clock: SystemSurroundings.clock)
      let sink = PrintingSink(options)
      let verdict = try ProjectionVerifier(project).verify(name, to: sink) { done, total throws(Diagnostic) in
        do throws(OutputClosed) { try bar.update(done: done, total: total) } catch {
          throw Diagnostic(code: HostCode.output.code, "stderr takes no more (errno \(error.errno))")
        }
      }
      try bar.finish()
      if sink.count > 0 || options.json { try sink.finish() }
      let rows =
        "\(Figures.counted(verdict.rows, "row")) in \(Figures.counted(UInt64(verdict.tables), "table"))"
      guard verdict.differences > 0 else {
        return try session.note("\(name) is the fold of the log up to \(verdict.end): \(rows)")
      }
      try session.note(
        "\(name) is NOT the fold of the log up to \(verdict.end): "
          + "\(Figures.counted(UInt64(verdict.differences), "difference")) in \(rows)\n"
          + "help: delete data/readmodels/\(name).sqlite; the next run folds it anew")
      throw ExitCodes.findings
    }
  }
}

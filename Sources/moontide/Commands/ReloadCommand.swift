import ArgumentParser
import MoontideCore
import MoontideHost

/// `reload [DIR] [--approve]`
struct ReloadCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reload", abstract: "Take up edited scripts now.",
    usage: "moontide reload [<dir>] [--approve]",
    discussion: """
      Has the run take up the scripts as they are, and prints a row for each definition that changed, with \
      what follows. With an error in any script nothing is taken up, and everything goes on as it was. A \
      removed consumer or saga that has work left stays at work until --approve says that it may go; its file \
      is put into data/archive. When its script is back, now or at a later start, it goes on with that file where \
      it stopped; a projection does in the same version, else it is folded anew.

      Example: moontide reload shop
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?
  @Flag(help: "Let removed handlers go that have work left.") var approve = false

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let paths = try session.project(directory)
      guard let report = try ProjectDoor.reload(ReloadRequest(approve: approve), of: paths) else {
        return try session.note("nothing runs; the scripts load, and the next run takes them up")
      }
      guard !report.isRefused else { throw ProjectFault(report.problems) }
      try session.show(report.problems)
      guard !report.rows.isEmpty || options.json else {
        return try session.note("nothing to take up: the run has these scripts already")
      }
      let sink = PrintingSink(options)
      try sink.columns(ReloadReport.columns)
      let buffer = RowBuffer()
      for row in report.rows {
        buffer.removeAll()
        for text in [row.kind, row.name, row.change, row.version, row.follows] { buffer.append(text: text) }
        try sink.row(buffer)
      }
      try sink.finish()
      if report.hasErrors { throw ExitCodes.failed }
    }
  }
}

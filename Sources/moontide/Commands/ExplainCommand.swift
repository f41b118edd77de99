import ArgumentParser
import MoontideCore
import MoontideHost

/// `explain CODE`
struct ExplainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "explain", abstract: "What an error code means and what to do; without one, all of them.",
    usage: "moontide explain [<code>]",
    discussion: "Example: moontide explain E0301")

  @OptionGroup var options: GlobalOptions
  @Argument(help: "Such as E0301.") var code: String?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let catalog = ExplainCatalog(MoontideProject.explainedCodes + [CommandCode.self])
      guard let code else { return try list(catalog.entries) }
      let entry = try catalog.entry(code)
      if options.rows != .table { return try list([entry]) }
      let terminal = Terminal.standardOutput(options.color)
      try StreamSink.standardOutput().write(
        ExplainCatalog.page(entry, columns: terminal.columns ?? 80, colors: terminal.colors))
    }
  }

  private func list(_ entries: [ExplainCatalog.Entry]) throws {
    let isWhole = options.rows != .table
    let sink = PrintingSink(options)
    try sink.columns(isWhole ? ["code", "title", "meaning", "mend"] : ["code", "title"])
    for entry in entries {
      let row = RowBuffer()
      for text in [entry.code, entry.title] + (isWhole ? [entry.meaning, entry.mend] : []) {
        row.append(text: text)
      }
      try sink.row(row)
    }
    try sink.finish()
  }
}

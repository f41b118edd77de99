import ArgumentParser
import MoontideCore
import MoontideHost

/// `why TABLE KEY…`
struct WhyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "why", abstract: "Name the events that wrote a row of a read model, in order.",
    usage: """
      moontide why <table> <key> ... [-C <dir>] [-v] [-o <format>] [--as-of <time>] [--as-known <time>]
      """,
    discussion: """
      TABLE is orders where that is unique, else order_status.orders; KEY the values of its primary key, one \
      word each or one JSON list (of a full-text table its first UNINDEXED column, of a table without a key \
      the rowid). For each event it tells the place in the log, the line of the script that wrote, and every \
      column before and after; a row that is gone is told with its deletion. With --json or -o there is a \
      row for each changed column.

      The log is folded again up to where the read model is, by the script as it is now, in a file below \
      .moontide that is removed. It works beside a run. -v shows the data of the events too, and all of them \
      where there are many.

      \(PastOptions.explanation)

      Example: moontide why orders o-77
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The table, then the row's key.", valueName: "table> <key")) var words:
    [String]
  @OptionGroup var past: PastOptions

  func validate() throws {
    guard words.count >= 2 else { throw ValidationError("why takes a table and the key of a row") }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let request = RowHistory.Request(
        table: words[0], key: Array(words.dropFirst()), moment: try past.moment(),
        withData: options.verbose)
      let story = try RowHistory(try session.project()).tell(request, observer: PastReporter(session))
      if options.json || options.format != nil {
        let sink = PrintingSink(options)
        try story.rows(to: sink)
        try sink.finish()
      } else {
        try StreamSink.standardOutput().write(story.text(isWhole: options.verbose))
      }
      if !story.everWas { throw ExitCodes.findings }
    }
  }
}

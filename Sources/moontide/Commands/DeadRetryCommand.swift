import ArgumentParser
import MoontideCore
import MoontideHost

/// `dead retry [DIR] GROUP|ID|HANDLER… | --all`
struct DeadRetryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry",
    abstract: "Apply dead letters through today's scripts, then what waits behind them.",
    discussion: """
      Works beside a run and without one; a handler that stopped there goes on. A consumer's event is \
      tried once; what is held behind it follows in order when it passes. A projection is \
      rebuilt beside and swapped, at once. A quarantined line is read again from its file. \
      Exit 1 when something is still dead.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then ids, groups or handlers.", valueName: "dir> <what"))
  var words: [String] = []
  @Flag(help: "Everything that dead ls shows.") var all = false
  @Flag(help: "On a copy: say what would succeed and which rows would change.") var dryRun = false

  func run() throws {
    let names = try DeadNames(words, options, all: all)
    try CommandSession(options).decide(
      DeadRequest(.retry, names.names, rehearses: dryRun), of: names.directory)
  }
}

extension CommandSession {
  /// Prints what became of each; ends with 1 when something is still dead.
  func decide(_ request: DeadRequest, of directory: String?) throws {
    try perform {
      let project = try project(directory)
      let sink = OutcomeSink(PrintingSink(options))
      try ProjectDoor.access(project).decide(request, to: sink)
      try sink.finish()
      if sink.failures > 0 { throw ExitCodes.findings }
    }
  }
}

/// Passes rows on and counts those that say that something is still dead.
final class OutcomeSink: RowSink {
  private static let failing: Set = ["dead", "bad", "refused", "would fail", "would stay bad"]
  private let printer: PrintingSink
  private(set) var failures = 0

  init(_ printer: PrintingSink) { self.printer = printer }

  func columns(_ names: [String]) throws(Diagnostic) { try printer.columns(names) }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    if let result = row.text(2), OutcomeSink.failing.contains(result) { failures += 1 }
    try printer.row(row)
  }

  func finish() throws(OutputClosed) { try printer.finish() }
}

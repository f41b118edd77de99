import ArgumentParser
import MoontideCore
import MoontideHost

/// `dead retry [DIR] GROUP|ID|HANDLER… | --all`
struct DeadRetryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "retry",
    abstract: "Apply dead letters through today's scripts, then what waits behind them.",
    discussion: """
      Works beside a run and without one. A consumer's event is tried once; what is held behind it follows in \
      order when it passes. A projection is rebuilt at the next start of run, which this is when nothing runs. \
      A quarantined line is read again from its file. Exit 1 when something is still dead.
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

/// `dead edit [DIR] ID --data JSON|@FILE|-`
struct DeadEditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit", abstract: "Apply one dead letter with other data; the log keeps both.",
    discussion: """
      The data is a JSON object, of the event's own version; its handlers alone see it in the place of the \
      original. Of a quarantined line it is the whole line.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then an id such as d-48211.", valueName: "dir> <id"))
  var words: [String] = []
  @Option(
    name: [.customShort("d"), .long],
    help: ArgumentHelp("An object, @FILE, or - for stdin.", valueName: "JSON"))
  var data: String
  @Option(help: "Why; kept with the correction.") var reason = ""
  @Flag(help: "On a copy: say whether it would succeed and which rows would change.") var dryRun = false

  func run() throws {
    let names = try DeadNames(words, options, all: false)
    let session = CommandSession(options)
    try session.perform {
      let bytes =
        data == "-"
        ? try TextFile.bytes("-")
        : data.hasPrefix("@") ? try TextFile.bytes(String(data.dropFirst())) : Array(data.utf8)
      // One line, as the events of a log are: outside of strings JSON allows a space for a newline.
      let line = bytes.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
      let trimmed = line.drop { $0 == 0x20 }
      let end = trimmed.lastIndex { $0 != 0x20 }.map { $0 + 1 } ?? trimmed.startIndex
      try session.decide(
        DeadRequest(
          .correct, names.names, reason: reason, data: Array(trimmed[..<end]), rehearses: dryRun),
        of: names.directory)
    }
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
private final class OutcomeSink: RowSink {
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

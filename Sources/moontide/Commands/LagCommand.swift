import ArgumentParser
import MoontideCore
import MoontideHost

/// `lag [DIR] [--max N]`
struct LagCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lag", abstract: "How many events each handler has before it; exit 1 above --max.",
    usage: "moontide lag [<dir>] [--max <max>]",
    discussion: "Example: moontide lag shop --max 1000")

  static let statement =
    "select name, kind, checkpoint, lag, held, parked, dead from sys.handlers order by lag desc, name"

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?
  @Option(help: "Exit 1 when a handler lags by more events than this.") var max: Int64?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      let sink = WatchingSink(PrintingSink(options), column: "lag")
      try ProjectDoor.access(project).query(
        QueryRequest(LagCommand.statement), to: sink)
      try sink.finish()
      try tellRebuilds(project, session)
      if let max, sink.largest > max { throw ExitCodes.findings }
    }
  }

  /// A line for each read model that is rebuilt beside the one that serves.
  private func tellRebuilds(_ project: ProjectPaths, _ session: CommandSession) throws {
    let sink = RebuildLines()
    try ProjectDoor.access(project).query(
      QueryRequest(
        "select name, rebuild_position, rebuild_end, rebuild_left_s from sys.handlers "
          + "where rebuild_version is not null"), to: sink)
    for line in sink.lines { try session.note(line) }
  }
}

/// Says how far rebuilds are.
private final class RebuildLines: RowSink {
  private(set) var lines: [String] = []

  func columns(_ names: [String]) throws(Diagnostic) {}

  func row(_ row: RowBuffer) throws(Diagnostic) {
    let (done, total) = (UInt64(max(0, row.cells[1].bits)), UInt64(max(1, row.cells[2].bits)))
    let left = row.cells[3].kind == .real ? ", \(Figures.time(row.cells[3].real)) left" : ""
    lines.append(
      "\(row.text(0) ?? "") is rebuilt beside: \(min(100, done * 100 / total)) %, "
        + "\(Figures.grouped(done)) of \(Figures.grouped(total))\(left)")
  }
}

/// Passes rows on and remembers the largest integer of one column.
private final class WatchingSink: RowSink {
  private let printer: PrintingSink
  private let column: String
  private var index = 0
  private(set) var largest: Int64 = 0

  init(_ printer: PrintingSink, column: String) {
    self.printer = printer
    self.column = column
  }

  func columns(_ names: [String]) throws(Diagnostic) {
    guard let found = names.firstIndex(of: column) else {
      throw Diagnostic(code: HostCode.query.code, "sys.handlers has no column \(column)")
    }
    index = found
    try printer.columns(names)
  }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    if row.cells[index].kind == .integer { largest = Swift.max(largest, row.cells[index].bits) }
    try printer.row(row)
  }

  func finish() throws(OutputClosed) { try printer.finish() }
}

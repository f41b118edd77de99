import Glibc
import MoontideCore
import MoontideHost

/// `.tail`: the last events, then those that come, until Ctrl-C.
struct TailView {
  private let session: ReplSession
  /// How many of the last it begins with.
  private static let before = 10

  init(_ session: ReplSession) { self.session = session }

  func run(_ type: String) throws {
    guard session.isInteractive else {
      throw Diagnostic(
        code: CommandCode.replInput.code, ".tail follows events on a terminal, and there is none")
    }
    let sink = EventLines(session)
    var mark = ChangeMark(session.project)
    try ask(
      "select * from (select \(TailView.columns) from sys.events where \(TailView.condition(type)) "
        + "order by position desc limit \(TailView.before)) order by position", sink)
    while !ReplSignals.cancellation.isCancelled {
      usleep(UInt32(Limits.replLookInterval / .microseconds(1)))
      let now = ChangeMark(session.project)
      if now == mark || ReplSignals.cancellation.isCancelled { continue }
      mark = now
      try ask(
        "select \(TailView.columns) from sys.events where position >= \(sink.next) and "
          + "\(TailView.condition(type)) order by position", sink)
    }
    try session.write("\n")
  }

  private static let columns = "position, time, type, key, data"

  private static func condition(_ type: String) -> String {
    if type.isEmpty { return "1 = 1" }
    return type.contains("*") ? "type glob \(SQLText.quoted(type))" : "type = \(SQLText.quoted(type))"
  }

  private func ask(_ sql: String, _ sink: EventLines) throws(Diagnostic) {
    do throws(Diagnostic) {
      try session.queries.run(
        ReplQuestion(sql, timeout: session.settings.timeout), to: sink, observer: ReplObserver(session))
    } catch { if !ReplSignals.cancellation.isCancelled { throw error } }
  }
}

/// One event a line, cut to the terminal.
private final class EventLines: RowSink {
  private let session: ReplSession
  private(set) var next: Int64 = 0

  init(_ session: ReplSession) { self.session = session }

  func columns(_ names: [String]) throws(Diagnostic) {}

  func row(_ row: RowBuffer) throws(Diagnostic) {
    let cells = RowCells(buffer: row, first: 0, count: row.cells.count)
    next = row.cells[0].bits + 1
    let texts = (1..<cells.count).map { DisplayText.escaped(cells.text($0) ?? "") }
    let ink = Ink(colors: session.terminal.colors)
    let head = "#\(row.cells[0].bits)  \(texts[0])  "
    let line = DisplayText.clipped(
      head + texts[1...].joined(separator: "  "), to: session.columns)
    let rest = line.dropFirst(head.count)
    do throws(OutputClosed) {
      try session.write(ink(.dim, String(line.prefix(head.count))) + rest + "\n")
    } catch {
      throw Diagnostic(code: HostCode.output.code, "the output takes no more")
    }
  }
}

import Glibc
import MoontideCore
import MoontideHost

/// `.live`: an answer that is drawn again as events arrive, until Ctrl-C. It looks ten times a second whether
/// the files have changed, and does nothing else while they have not.
struct LiveView {
  private let session: ReplSession

  init(_ session: ReplSession) { self.session = session }

  func run(_ sql: String) throws {
    guard session.isInteractive else {
      throw Diagnostic(code: CommandCode.replInput.code, ".live draws on a terminal, and there is none")
    }
    guard !sql.isEmpty else { throw DotCommand.live.misused(".live needs a statement") }
    // What is wrong is told on the screen as it was.
    var frame = try self.frame(sql)
    var mark = ChangeMark(session.project)
    // The other screen of the terminal, without a cursor.
    try session.write("\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J")
    var fault: Diagnostic?
    try draw(frame)
    while !ReplSignals.cancellation.isCancelled {
      usleep(UInt32(Limits.replLookInterval / .microseconds(1)))
      let now = ChangeMark(session.project)
      if now == mark || ReplSignals.cancellation.isCancelled { continue }
      mark = now
      do throws(Diagnostic) {
        let next = try self.frame(sql)
        if next == frame { continue }
        frame = next
      } catch {
        if !ReplSignals.cancellation.isCancelled { fault = error }
        break
      }
      try draw(frame)
    }
    try session.write("\u{1b}[?25h\u{1b}[?1049l")
    // What was seen last stays.
    try session.write(frame.joined(separator: "\n") + "\n")
    if let fault { throw fault }
  }

  /// The lines of the answer as it is now.
  private func frame(_ sql: String) throws(Diagnostic) -> [String] {
    let text = StringSink()
    let sink = FirstRows(
      session.settings.mode == .line ? .line : .table, to: text, terminal: session.terminal)
    do throws(Diagnostic) {
      try session.queries.run(
        session.settings.question(sql, session.last), to: sink, observer: ReplObserver(session))
    } catch { if !sink.isFull { throw error } }
    try sink.finish()
    return text.text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
  }

  /// Over what is there, line by line, so that nothing flickers.
  private func draw(_ frame: [String]) throws {
    let rows = max(3, session.terminal.rows ?? 24)
    let ink = Ink(colors: session.terminal.colors)
    var lines = frame.prefix(rows - 2)
    if frame.count > lines.count, !lines.isEmpty {
      lines[lines.endIndex - 1] = ink(.dim, "… \(frame.count - lines.count + 1) lines more")
    }
    let foot = ink(.dim, "as events arrive · Ctrl-C ends")
    let text = (lines + ["", foot]).joined(separator: "\u{1b}[K\r\n")
    try session.write("\u{1b}[H" + text + "\u{1b}[K\u{1b}[J")
  }
}

/// Prints as many rows as a screen may have.
private final class FirstRows: RowSink {
  private let mode: OutputFormat
  private let text: StringSink
  private let terminal: Terminal
  private var printer: RowPrinter?
  private(set) var isFull = false

  init(_ mode: OutputFormat, to text: StringSink, terminal: Terminal) {
    self.mode = mode
    self.text = text
    self.terminal = terminal
  }

  func columns(_ names: [String]) throws(Diagnostic) {
    printer = RowPrinter(mode, columns: names, to: text, terminal: terminal)
  }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    isFull = (printer?.count ?? 0) >= Limits.replLiveRowsMax
    if isFull { throw Diagnostic(code: HostCode.query.code, "there are more rows than a screen has") }
    do throws(OutputClosed) { try printer?.print(row) } catch { throw FirstRows.closed }
  }

  func finish() throws(Diagnostic) {
    do throws(OutputClosed) { try printer?.finish() } catch { throw FirstRows.closed }
  }

  private static var closed: Diagnostic { Diagnostic(code: HostCode.output.code, "the output takes no more") }
}

import Glibc
import MoontideCore
import MoontideHost

/// Takes the rows of one statement: prints them and keeps the first ones for `_`. One thread.
final class ReplAnswer: RowSink {
  private let text: any TextSink
  private let terminal: Terminal
  private let mode: OutputFormat
  private var printer: RowPrinter?
  private(set) var kept = KeptRows(names: [])
  /// The reader went away: a pager that was left early.
  private(set) var isLeft = false

  init(_ mode: OutputFormat, to text: any TextSink, terminal: Terminal) {
    self.mode = mode
    self.text = text
    self.terminal = terminal
  }

  /// Rows printed so far.
  var count: Int { printer?.count ?? 0 }

  func columns(_ names: [String]) throws(Diagnostic) {
    printer = RowPrinter(mode, columns: names, to: text, terminal: terminal)
    kept = KeptRows(names: names)
  }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    kept.add(row)
    do throws(OutputClosed) { try printer?.print(row) } catch { throw closed(error) }
  }

  /// Writes what is left.
  func finish() throws(Diagnostic) {
    do throws(OutputClosed) {
      if !isLeft { try printer?.finish() }
    } catch {
      let fault = closed(error)
      if !isLeft { throw fault }
    }
  }

  private func closed(_ error: OutputClosed) -> Diagnostic {
    isLeft = error.errno == EPIPE
    return Diagnostic(
      code: HostCode.output.code, "the output takes no more: \(String(cString: strerror(error.errno)))")
  }
}

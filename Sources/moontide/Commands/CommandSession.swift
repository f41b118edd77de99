import ArgumentParser
import Glibc
import MoontideCore
import MoontideHost

/// What every command does around its work: finds the project, opens the way to it, and turns a fault into
/// text and an exit code.
struct CommandSession {
  let options: GlobalOptions
  private let errors: any TextSink = StreamSink.standardError()

  init(_ options: GlobalOptions) {
    self.options = options
    Signals.ignoreRefusedWrites()
  }

  /// Runs `body`; a fault is printed and ends the process with its code.
  func perform(_ body: () throws -> Void) throws {
    do {
      try CrashSetting.arm()
      try body()
    } catch let fault as Diagnostic { throw tell([fault]) } catch let fault as ProjectFault {
      throw tell(fault.problems)
    } catch let closed as OutputClosed { throw end(closed) }
  }

  /// The project of `-C DIR`, of the positional argument, or the nearest one.
  func project(_ directory: String? = nil) throws(Diagnostic) -> ProjectPaths {
    try ProjectFinder.find(directory ?? options.directory, files: SystemSurroundings.files)
  }

  /// Prints the rows of one statement.
  func print(_ request: QueryRequest, of project: ProjectPaths) throws {
    let sink = PrintingSink(options)
    try ProjectDoor.query(request, of: project, to: sink)
    try sink.finish()
  }

  /// A line on stderr; nothing with `-q`.
  func note(_ text: String) throws(OutputClosed) {
    if !options.quiet { try errors.write(text + "\n") }
  }

  /// Prints problems without ending.
  func show(_ problems: [Diagnostic]) throws(OutputClosed) {
    if !problems.isEmpty { try errors.write(options.diagnosticRenderer().render(problems)) }
  }

  private func tell(_ problems: [Diagnostic]) -> ExitCode {
    do throws(OutputClosed) { try show(problems) } catch { return end(error) }
    return CommandSession.exitCode(of: problems)
  }

  /// A reader that went away is no fault; a full disk is.
  private func end(_ closed: OutputClosed) -> ExitCode {
    closed.errno == EPIPE ? ExitCodes.success : ExitCodes.failed
  }

  static func exitCode(of problems: [Diagnostic]) -> ExitCode {
    // What ended a command is no success, whatever it calls itself.
    guard let code = problems.first(where: { $0.severity == .error })?.code else { return ExitCodes.failed }
    if code == HostCode.locked.code { return ExitCodes.locked }
    return code.hasPrefix("E02") ? ExitCodes.badInput : ExitCodes.failed
  }
}

/// Rows of a query, printed as they come.
final class PrintingSink: RowSink {
  private let options: GlobalOptions
  private var printer: RowPrinter?

  init(_ options: GlobalOptions) { self.options = options }

  /// Rows printed so far.
  var count: Int { printer?.count ?? 0 }

  func columns(_ names: [String]) throws(Diagnostic) { printer = options.rowPrinter(columns: names) }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    do throws(OutputClosed) { try printer?.print(row) } catch {
      throw Diagnostic(
        code: HostCode.output.code, "the output takes no more: \(String(cString: strerror(error.errno)))")
    }
  }

  func finish() throws(OutputClosed) { try printer?.finish() }
}

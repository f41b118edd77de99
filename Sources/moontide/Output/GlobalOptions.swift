import ArgumentParser
import Glibc

/// What every command takes.
struct GlobalOptions: ParsableArguments {
  @Option(
    name: [.customShort("C"), .customLong("directory")],
    help: ArgumentHelp(
      "The project; default: this directory or the nearest one above it with events/ or moontide.lua.",
      valueName: "DIR"))
  var directory: String?

  @Flag(name: .customLong("json"), help: "Rows as one JSON array of objects; the same as -o json.")
  var json = false

  @Option(
    name: [.customShort("o"), .customLong("format")],
    help: ArgumentHelp("Rows as table, json, jsonl, csv, md or line.", valueName: "FORMAT"))
  var format: OutputFormat?

  @Option(
    name: .customLong("color"), help: ArgumentHelp("auto, always or never.", valueName: "WHEN"))
  var color = ColorChoice.auto

  @Flag(name: [.customShort("q"), .customLong("quiet")], help: "No progress, no notes; errors stay.")
  var quiet = false

  @Flag(name: [.customShort("v"), .customLong("verbose")], help: "More, values of events included.")
  var verbose = false

  @Option(
    name: .customLong("error-format"),
    help: ArgumentHelp("Errors as text or as json, one object a line.", valueName: "FORMAT"))
  var errorFormat = ErrorFormat.text

  func validate() throws {
    if json, let format, format != .json {
      throw ValidationError("--json and -o \(format.rawValue) contradict each other; give one of them")
    }
    if quiet, verbose { throw ValidationError("-q and -v contradict each other; give one of them") }
  }

  /// The format of rows: what was asked for, else a table.
  var rows: OutputFormat { json ? .json : format ?? .table }

  /// Prints rows to stdout as these options say.
  func rowPrinter(columns: [String]) -> RowPrinter {
    RowPrinter(
      rows, columns: columns, to: StreamSink.standardOutput(), terminal: .standardOutput(color))
  }

  /// Prints errors to stderr as these options say.
  func diagnosticRenderer() -> DiagnosticRenderer {
    DiagnosticRenderer(errorFormat, terminal: .standardError(color))
  }
}

extension OutputFormat: ExpressibleByArgument {}
extension ErrorFormat: ExpressibleByArgument {}
extension ColorChoice: ExpressibleByArgument {}

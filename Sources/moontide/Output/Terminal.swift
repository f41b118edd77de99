import Glibc

/// What is known of a stream's far end: whether a person looks at it, how wide it is, and whether it
/// takes colours.
struct Terminal: Sendable, Equatable {
  /// Whether the stream is a terminal.
  var isTerminal: Bool
  /// Columns of the terminal; nil when it is none, or does not say.
  var columns: Int?
  /// Its lines, likewise.
  var rows: Int?
  /// Whether to colour.
  var colors: Bool

  /// Nobody looks: a pipe or a file.
  static let none = Terminal(isTerminal: false, columns: nil, colors: false)

  static func standardOutput(_ choice: ColorChoice) -> Terminal { Terminal(STDOUT_FILENO, choice) }
  static func standardError(_ choice: ColorChoice) -> Terminal { Terminal(STDERR_FILENO, choice) }

  init(isTerminal: Bool, columns: Int?, rows: Int? = nil, colors: Bool) {
    self.isTerminal = isTerminal
    self.columns = columns
    self.rows = rows
    self.colors = colors
  }

  private init(_ descriptor: Int32, _ choice: ColorChoice) {
    let isTerminal = isatty(descriptor) == 1
    var columns: Int?
    var rows: Int?
    var size = winsize()
    if isTerminal, ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 {
      if size.ws_col > 0 { columns = Int(size.ws_col) }
      if size.ws_row > 0 { rows = Int(size.ws_row) }
    }
    self.init(
      isTerminal: isTerminal, columns: columns, rows: rows,
      colors: choice.colors(
        isTerminal: isTerminal, noColor: Terminal.environment("NO_COLOR"),
        term: Terminal.environment("TERM")))
  }

  private static func environment(_ name: String) -> String? {
    guard let value = getenv(name) else { return nil }
    return String(cString: value)
  }
}

/// `--color`.
enum ColorChoice: String, CaseIterable, Sendable {
  case auto, always, never

  /// The rule: an explicit choice wins; else colours need a terminal that is not `dumb`, and no `NO_COLOR`
  /// (any text but the empty one, as no-color.org says).
  func colors(isTerminal: Bool, noColor: String?, term: String?) -> Bool {
    switch self {
    case .always: true
    case .never: false
    case .auto: isTerminal && (noColor ?? "").isEmpty && term != "dumb"
    }
  }
}

import MoontideCore
import MoontideHost

/// Lines of Lua: `= expression` prints a value, `> statements` run. Variables stay from line to line.
final class LuaLine {
  private unowned let session: ReplSession
  private lazy var desk = LuaDesk(
    session.project, cancellation: ReplSignals.cancellation,
    query: { [unowned self] sql throws(Diagnostic) in try query(sql) },
    print: { [unowned self] text in say(text) })

  init(_ session: ReplSession) { self.session = session }

  /// What Lua and the sandbox have, for Tab.
  static let names = [
    "event(", "query ", "events.", "commands.", "handlers.", "string.", "table.", "math.", "utf8.", "os.",
    "moontide.", "json.", "pairs(", "ipairs(", "print(", "tostring(", "tonumber(", "type(", "require ",
    "select(", "next(", "pcall(", "null", "function", "local", "return", "for", "while", "then", "end",
  ]

  /// The tables that handlers are, each with what can stand behind it.
  func handlers() throws(Diagnostic) -> [String: [String]] {
    var fields: [String: [String]] = [:]
    for name in try desk.names() where name.contains(".") && !name.contains("#") {
      let parts = name.split(separator: ".").map(String.init)
      for index in 1..<parts.count {
        fields[parts[..<index].joined(separator: "."), default: []].append(parts[index])
      }
    }
    return fields
  }

  func types() throws(Diagnostic) -> [String] { try desk.types() }

  /// Runs a line; false when it is not whole.
  func run(_ input: StatementSplitter.Input, isLast: Bool) throws -> Bool {
    let isExpression = input.kind == .luaExpression
    var text = input.text
    // An empty line ends what was begun.
    let isEnded = isLast || text.hasSuffix("\n")
    if text.isEmpty { text = isExpression ? "nil" : "" }
    let last = session.isLastNew ? session.last : nil
    session.isLastNew = false
    let outcome = try desk.run(
      text, isExpression: isExpression, last: last, time: session.settings.timeout)
    guard case .values(let values) = outcome else {
      guard isEnded else { return false }
      throw Diagnostic(
        code: CommandCode.replInput.code, "the Lua is not whole: something that was opened is not closed")
    }
    if isExpression, let first = values.first { session.last = first.rows }
    try show(values)
    return true
  }

  private func show(_ values: [DeskText]) throws {
    for value in values {
      for line in value.lines(columns: session.columns) { try session.write(line + "\n") }
    }
  }

  /// For `query "…"`: the rows that `_` would keep.
  private func query(_ sql: String) throws(Diagnostic) -> KeptRows {
    let sink = KeepingSink()
    do throws(Diagnostic) {
      try session.queries.run(
        session.settings.question(sql, session.last), to: sink, observer: ReplObserver(session))
    } catch { if !sink.kept.isCut { throw error } }
    return sink.kept
  }

  private func say(_ text: String) {
    do throws(OutputClosed) { try session.write(DisplayText.escaped(text) + "\n") } catch {
      // Nobody reads it any more; what comes next will say so.
      return
    }
  }
}

/// Keeps the first rows and stops there.
private final class KeepingSink: RowSink {
  private(set) var kept = KeptRows(names: [])

  func columns(_ names: [String]) throws(Diagnostic) { kept = KeptRows(names: names) }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    kept.add(row)
    if kept.isCut { throw Diagnostic(code: HostCode.query.code, "there are more rows") }
  }
}

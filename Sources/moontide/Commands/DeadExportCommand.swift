import ArgumentParser
import MoontideCore
import MoontideHost

/// `dead export [DIR] [GROUP|ID|HANDLER…]`
struct DeadExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export", abstract: "Dead letters and quarantined lines as JSON lines, with their events.",
    discussion: "With --json one array.")

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then ids, groups or handlers.", valueName: "dir> <what"))
  var words: [String] = []

  private static let line = """
    select json_object('id', letters.id, 'handler', letters.handler, 'fault', letters.fault,
      'code', letters.code, 'error', letters.error, 'place', letters.place, 'attempts', letters.attempts,
      'held', letters.held, 'script', letters.script, 'raw', letters.raw,
      'event', case when events.id is null then null else json_object('topic', events.topic,
        'position', events.position, 'id', events.id, 'source', events.source, 'type', events.type,
        'version', events.version, 'key', events.key, 'time', events.time, 'data', json(events.data),
        'meta', json(nullif(events.meta, ''))) end)
    from sys.dead_letters letters left join sys.events events on events.position = letters.position
    """

  func run() throws {
    let isDirectory = words.first.map { !$0.hasPrefix("d-") && !$0.hasPrefix("g-") } ?? false
    let directory = isDirectory && options.directory == nil ? words.first : nil
    let names = directory == nil ? words : Array(words.dropFirst())
    let session = CommandSession(options)
    try session.perform {
      let list = names.map { SQLText.quoted($0) }.joined(separator: ", ")
      let condition =
        names.isEmpty
        ? ""
        : " where letters.id in (\(list)) or letters.fault in (\(list)) or letters.handler in (\(list))"
          + " or letters.id || '@' || letters.handler in (\(list))"
      let sink = LinesSink(isArray: options.rows == .json)
      try ProjectDoor.access(try session.project(directory)).query(
        QueryRequest(
          DeadExportCommand.line + condition + " order by letters.position, letters.handler", rowsMax: .max),
        to: sink)
      try sink.finish()
    }
  }
}

/// Writes the one text of each row as a line.
private final class LinesSink: RowSink {
  private let output = StreamSink.standardOutput()
  private let isArray: Bool
  private var count = 0

  init(isArray: Bool) { self.isArray = isArray }

  func columns(_ names: [String]) throws(Diagnostic) {}

  func row(_ row: RowBuffer) throws(Diagnostic) {
    let before = isArray ? (count == 0 ? "[\n" : ",\n") : ""
    count += 1
    do throws(OutputClosed) { try output.write(before + (row.text(0) ?? "") + (isArray ? "" : "\n")) } catch {
      throw Diagnostic(code: HostCode.output.code, "stdout takes no more (errno \(error.errno))")
    }
  }

  func finish() throws(OutputClosed) {
    if isArray { try output.write(count == 0 ? "[]\n" : "\n]\n") }
  }
}

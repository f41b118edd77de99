import ArgumentParser
import MoontideCore
import MoontideHost

/// `query [DIR] SQL`
struct QueryCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "query", abstract: "Ask the read models and the sys tables in SQL, read-only.",
    usage: """
      moontide query [<dir>] <sql> [-o <format>] [--after <token>] [--as-of <time>] [--as-known <time>] \
      [--tz <zone>] [--timeout <seconds>]
      """,
    discussion: """
      Each projection's tables lie in a schema of its name: order_status.orders; a name that is unique works \
      without it. sys.events, sys.commands (with their outcomes), sys.handlers, sys.checkpoints and \
      sys.dead_letters are tables too. With one argument that is the SQL, and the project is the nearest \
      one; @FILE reads it from a file, - from stdin.

      Whole read models can be asked as they were, joins and search included; they are folded from the log \
      by the scripts as they are now. sys.events then has the events of that moment. What is folded is kept \
      below .moontide/as-of for the next question: the first one takes as long as a rebuild, others a \
      fraction of it. It may be deleted.

      \(PastOptions.explanation)

      Example: moontide query shop "select status, count(*) from orders group by 1" -o csv
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then the statement.", valueName: "dir> <sql")) var words:
    [String]
  @Option(
    help: ArgumentHelp(
      "Wait until the read models have come past what append or send did.", valueName: "TOKEN"))
  var after: String?
  @Option(help: ArgumentHelp("Stop the statement after so many seconds.", valueName: "SECONDS")) var timeout:
    Double = 30

  @OptionGroup var past: PastOptions

  func validate() throws {
    guard (1...2).contains(words.count) else {
      throw ValidationError("query takes [DIR] and one SQL statement")
    }
    if words.count == 1, try SystemSurroundings.files.status(words[0])?.isDirectory == true {
      throw ValidationError(
        "\(words[0]) is a folder: what is to be asked of it? For example: "
          + "moontide query \(words[0]) \"select * from sys.handlers\"")
    }
    guard timeout > 0, timeout < 1e6 else {
      throw ValidationError("--timeout is a positive number of seconds")
    }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(words.count == 2 ? words[0] : nil)
      let request = QueryRequest(
        try statement(words[words.count - 1]), timeout: .seconds(timeout), after: try token())
      guard let moment = try past.moment() else { return try session.print(request, of: project) }
      let sink = PrintingSink(options)
      try PastQuery(project).run(request, at: moment, to: sink, observer: PastReporter(session))
      try sink.finish()
    }
  }

  private func token() throws -> Position? {
    guard let after else { return nil }
    guard let value = UInt64(after.hasPrefix("#") ? String(after.dropFirst()) : after) else {
      throw ValidationError(
        "--after takes the token that append or send printed, such as #48211, not \(after)")
    }
    return Position(value)
  }

  private func statement(_ word: String) throws -> String {
    if word == "-" { return try TextFile.read("-") }
    guard word.hasPrefix("@") else { return word }
    return try TextFile.read(String(word.dropFirst()))
  }
}

import ArgumentParser
import MoontideCore
import MoontideHost

/// `handlers [DIR]` · `handlers show [DIR] NAME [--version V]`
struct HandlersCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "handlers", abstract: "Every handler with kind, version, state and lag; its script.",
    usage: "moontide handlers [<dir>]\nmoontide handlers show [<dir>] <name> [--version <version>]",
    discussion: "Example: moontide handlers shop",
    subcommands: [HandlersList.self, HandlersShow.self], defaultSubcommand: HandlersList.self)
}

struct HandlersList: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ls", abstract: "Every handler with kind, version, state and lag.",
    usage: "moontide handlers [<dir>]")

  static let statement = """
    select name, kind, version, state, checkpoint, lag, applied, held, parked, dead, rate, p99_ms
    from sys.handlers order by name
    """

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      try session.print(QueryRequest(HandlersList.statement), of: project)
    }
  }
}

struct HandlersShow: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show", abstract: "The script that a handler runs by, or ran by.",
    usage: "moontide handlers show [<dir>] <name> [--version <version>]",
    discussion: """
      Prints the file of the definition, the upcasters that concern it and the modules that these may require, \
      as they were when that version was at work, whatever was edited since. sys.handlers, sys.dead_letters and \
      sys.effects name versions; select * from sys.reloads lists all of them, with the files of handlers that are \
      back, and the rebuilds and rollbacks that were asked for.

      Example: moontide handlers show shop receipts --version 5ac6d1253470
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then a handler.", valueName: "dir> <name")) var words: [String]
  @Option(help: ArgumentHelp("Its version or the beginning of it.", valueName: "VERSION"))
  var version: String?

  func validate() throws {
    guard (1...2).contains(words.count) else {
      throw ValidationError("handlers show takes [DIR] and a name")
    }
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let paths = try session.project(words.count == 2 ? words[0] : nil)
      let source = try KeptSource.find(words[words.count - 1], version: version, in: paths)
      let since = source.since.map { "since \($0)" } ?? "not at work yet"
      try session.note("\(source.kind) \(source.name) \(source.version), \(since)")
      if options.json || options.format != nil {
        let sink = PrintingSink(options)
        try sink.columns(["path", "text"])
        let buffer = RowBuffer()
        for file in source.files {
          buffer.removeAll()
          buffer.append(text: file.path)
          buffer.append(text: String(decoding: file.text, as: UTF8.self))
          try sink.row(buffer)
        }
        return try sink.finish()
      }
      let output = StreamSink.standardOutput()
      for (index, file) in source.files.enumerated() {
        if source.files.count > 1 { try output.write("\(index > 0 ? "\n" : "")-- \(file.path)\n") }
        let text = String(decoding: file.text, as: UTF8.self)
        try output.write(text.hasSuffix("\n") ? text : text + "\n")
      }
    }
  }
}

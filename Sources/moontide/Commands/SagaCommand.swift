import ArgumentParser
import MoontideCore
import MoontideHost

/// `saga ls|show|retry|cancel|graph [DIR]`
struct SagaCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "saga", abstract: "Instances of sagas: how their steps stand, and what to do about them.",
    subcommands: [List.self, SagaShowCommand.self, Retry.self, Cancel.self, Graph.self],
    defaultSubcommand: List.self)

  /// Those that have not ended, unless all are asked for.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "Instances, the longest unchanged first.",
      usage: "moontide saga ls [<dir>] [--saga <name>] [--status <status>] [--all] [--limit <n>]",
      discussion: "Example: moontide saga ls shop --status stuck")

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The project.") var directory: String?
    @Option(help: ArgumentHelp("Of this saga only.", valueName: "NAME")) var saga: String?
    @Option(help: ArgumentHelp("running, compensating, stuck and so on.", valueName: "STATUS")) var status:
      String?
    @Flag(help: "Those that have ended too.") var all = false
    @Option(help: ArgumentHelp("At most so many.", valueName: "N")) var limit = 100

    /// Those that have not ended.
    static let open = "status not in ('completed', 'compensated')"

    static func statement(where conditions: String, limit: Int) -> String {
      """
      select saga, key, status, step, reason, time as since, next_timer,
        case pinned when 1 then version || ' (old)' else version end as script
      from sys.sagas
      where \(conditions) order by time, saga, key limit \(max(0, limit))
      """
    }

    func run() throws {
      let session = CommandSession(options)
      try session.perform {
        let project = try session.project(directory)
        var conditions = ["1 = 1"]
        if let saga { conditions.append("saga = \(SQLText.quoted(saga))") }
        if let status { conditions.append("status = \(SQLText.quoted(status))") }
        if !all, status == nil { conditions.append(List.open) }
        let list = conditions.joined(separator: " and ")
        try session.print(
          QueryRequest(List.statement(where: list, limit: limit)), of: project)
        let counts = TextRowsSink()
        try ProjectDoor.query(
          QueryRequest("select status, count(*) from sys.sagas group by status order by status"),
          of: project, to: counts)
        if !counts.rows.isEmpty {
          try session.note(counts.rows.map { "\($0[1]) \($0[0])" }.joined(separator: " · "))
        }
      }
    }
  }

  struct Retry: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "retry", abstract: "Try again what is stuck, with all tries.",
      usage: "moontide saga retry [<dir>] [<saga>] <key>… | --all",
      discussion: """
        A compensation, completed or compensated whose command was refused too often leaves its instance \
        stuck. Works beside a run and without one.

        Example: moontide saga retry checkout o-77
        """)

    @OptionGroup var options: GlobalOptions
    @Argument(
      help: ArgumentHelp("The project, the saga, then correlation values.", valueName: "dir> <saga> <key"))
    var words: [String] = []
    @Flag(help: "All that are stuck.") var all = false

    func run() throws {
      let words = try SagaWords(words, options, all: all)
      try CommandSession(options).decide(
        SagaRequest(.retry, saga: words.saga, keys: words.keys), of: words.directory)
    }
  }

  struct Cancel: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "cancel", abstract: "Give running instances up: what was done is undone.",
      usage: "moontide saga cancel [<dir>] [<saga>] <key>… [--reason <text>]",
      discussion: "Example: moontide saga cancel checkout o-77 --reason \"asked by the customer\"")

    @OptionGroup var options: GlobalOptions
    @Argument(
      help: ArgumentHelp("The project, the saga, then correlation values.", valueName: "dir> <saga> <key"))
    var words: [String] = []
    @Option(help: ArgumentHelp("Why; the saga's compensated function gets it.", valueName: "TEXT"))
    var reason = ""

    func run() throws {
      let words = try SagaWords(words, options)
      try CommandSession(options).decide(
        SagaRequest(.cancel, saga: words.saga, keys: words.keys, reason: reason), of: words.directory)
    }
  }

  struct Graph: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "graph", abstract: "The steps of a saga as a Mermaid diagram.",
      usage: "moontide saga graph [<dir>] [<saga>]",
      discussion: "Example: moontide saga graph shop checkout > checkout.mmd")

    @OptionGroup var options: GlobalOptions
    @Argument(help: ArgumentHelp("The project, then the saga.", valueName: "dir> <saga")) var words:
      [String] = []

    func validate() throws {
      guard words.count <= 2 else { throw ValidationError("saga graph takes [DIR] and the saga's name") }
    }

    func run() throws {
      let session = CommandSession(options)
      try session.perform {
        let words = try SagaWords(words, options, isNameAlone: true)
        let project = try session.project(words.directory)
        try StreamSink.standardOutput().write(try SagaGraph(project).mermaid(of: words.saga))
      }
    }
  }
}

extension CommandSession {
  /// Prints how each stands now.
  func decide(_ request: SagaRequest, of directory: String?) throws {
    try perform {
      let project = try project(directory)
      let sink = PrintingSink(options)
      try ProjectDoor.access(project).decide(request, to: sink)
      try sink.finish()
    }
  }
}

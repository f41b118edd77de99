import ArgumentParser
import MoontideCore
import MoontideHost

/// `effects ls|show|retry [DIR]`
struct EffectsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "effects", abstract: "What handlers do outside: requests, programs, lines of files.",
    subcommands: [List.self, Show.self, Retry.self], defaultSubcommand: List.self)

  /// Those that are not done; with `--all` the ledger.
  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "ls", abstract: "Effects that are due, being performed, failed or dead.",
      usage: "moontide effects ls [<dir>] [--all] [--handler <name>] [--max <max>]",
      discussion: """
        A ledger keeps what is not done, and of what is done the last \(Limits.effectsKeptMax); the log keeps \
        every result.

        Example: moontide effects ls shop
        """)

    @OptionGroup var options: GlobalOptions
    @Argument(help: "The project.") var directory: String?
    @Flag(help: "Those that are done too.") var all = false
    @Option(help: ArgumentHelp("Of one handler.", valueName: "name")) var handler: String?
    @Option(help: "Exit 1 when more than this are dead.") var max: Int64?

    private var conditions: String {
      // By name: the ledger finds these without what is done.
      var conditions: [String] = all ? [] : ["state in ('due', 'in flight', 'failed', 'dead')"]
      if let handler { conditions.append("handler = \(SQLText.quoted(handler))") }
      return conditions.isEmpty ? "" : "where \(conditions.joined(separator: " and ")) "
    }

    func run() throws {
      let session = CommandSession(options)
      try session.perform {
        let access = try ProjectDoor.access(try session.project(directory))
        let sink = PrintingSink(options)
        try access.query(
          QueryRequest(
            "select key, handler, kind, target, state, event_key, attempts, due, error from sys.effects "
              + conditions + "order by handler, number"), to: sink)
        try sink.finish()
        guard let max else { return }
        let dead = TextRowsSink()
        try access.query(QueryRequest("select count(*) from sys.effects where state = 'dead'"), to: dead)
        if let text = dead.rows.first?.first, let count = Int64(text), count > max {
          throw ExitCodes.findings
        }
      }
    }
  }

  /// One of them, with its request and what came back.
  struct Show: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "show", abstract: "One effect: its request, its tries, what came back.",
      usage: "moontide effects show [<dir>] <key>",
      discussion: """
        Values of the environment are never stored: where one belongs, ${NAME} stands.

        Example: moontide effects show shop receipts-00112233445566778899aabbccddeeff
        """)

    @OptionGroup var options: GlobalOptions
    @Argument(help: ArgumentHelp("The project, then the key of an effect.", valueName: "dir> <key"))
    var words: [String]

    func validate() throws {
      guard (1...2).contains(words.count) else {
        throw ValidationError("effects show takes [DIR] and the key of an effect")
      }
    }

    func run() throws {
      let session = CommandSession(options)
      try session.perform {
        let project = try session.project(words.count == 2 ? words[0] : nil)
        var vertical = options
        if !options.json && options.format == nil { vertical.format = .line }
        let sink = PrintingSink(vertical)
        let key = words[words.count - 1]
        try ProjectDoor.access(project).query(
          QueryRequest("select * from sys.effects where key = \(SQLText.quoted(key))"), to: sink)
        guard sink.count > 0 else {
          throw Diagnostic(
            code: HostCode.noSuchEffect.code, "there is no effect \(key)",
            details: [.init("help", HostCode.noSuchEffect.mend)])
        }
        try sink.finish()
      }
    }
  }

  /// Performs effects that ended again.
  struct Retry: ParsableCommand {
    static let configuration = CommandConfiguration(
      commandName: "retry", abstract: "Perform dead effects again, under the keys that they have.",
      usage: "moontide effects retry [<dir>] <key|handler>… | --all",
      discussion: """
        A handler's name stands for its dead effects. One that is done is performed again only when its key is \
        given. on_result is told of each result. Works beside a run and without one. Exit 1 when one is still \
        dead.

        Example: moontide effects retry shop receipts
        """)

    @OptionGroup var options: GlobalOptions
    @Argument(help: ArgumentHelp("The project, then keys or handlers.", valueName: "dir> <what"))
    var words: [String] = []
    @Flag(help: "All dead effects.") var all = false

    func run() throws {
      var names = words
      var directory: String?
      if options.directory == nil, names.count > 1 || all && !names.isEmpty, !isKey(names[0]) {
        directory = names.removeFirst()
      }
      guard all == names.isEmpty else {
        throw ValidationError(
          all
            ? "--all means all of them: nothing is named beside it"
            : "say what is meant: the key of an effect, a handler's name, or --all")
      }
      let session = CommandSession(options)
      try session.perform {
        let sink = OutcomeSink(PrintingSink(options))
        try ProjectDoor.access(try session.project(directory)).perform(EffectsRequest(names), to: sink)
        try sink.finish()
        if sink.failures > 0 { throw ExitCodes.findings }
      }
    }

    /// A handler's name and the digits of a digest: no project is called like that.
    private func isKey(_ word: String) -> Bool {
      guard let dash = word.lastIndex(of: "-") else { return false }
      let digits = word[word.index(after: dash)...]
      return digits.count == 32 && digits.allSatisfy(\.isHexDigit)
    }
  }
}

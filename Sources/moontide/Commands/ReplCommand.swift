import ArgumentParser
import MoontideCore
import MoontideHost

/// `repl [DIR]`
struct ReplCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repl", abstract: "Ask anything, at any time: SQL, Lua with the handlers, the past.",
    usage: "moontide repl [<dir>] [-o <format>]",
    discussion: """
      SQL ends with a semicolon and may take several lines. A line that begins with = prints a value of Lua, one \
      with > runs statements of it; the project's handlers are functions there, which write nowhere. _ is the \
      last result in both. Commands begin with a dot: .help lists them.

      Works beside a run and without one, read-only. Tab completes, Ctrl-R searches what was typed before \
      (.moontide/history), Ctrl-C stops what runs, Ctrl-D ends. Answers longer than the screen go to $PAGER.

      With input that is no terminal there is no prompt and no pager, and errors name their line; the exit code \
      is 2 when something failed.

      Examples:
        moontide repl shop
        echo "select count(*) from orders;" | moontide repl shop --json
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      let repl = try ReplSession(project, options, session)
      try ReplLoop(repl, project).run()
      if repl.failures > 0, !repl.isInteractive { throw ExitCodes.failed }
    }
  }
}

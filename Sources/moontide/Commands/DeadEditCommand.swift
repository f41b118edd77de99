import ArgumentParser
import MoontideHost

/// `dead edit [DIR] ID --data JSON|@FILE|-`
struct DeadEditCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edit", abstract: "Apply one dead letter with other data; the log keeps both.",
    discussion: """
      The data is a JSON object, of the event's own version; its handlers alone see it in the place of the \
      original. Of a quarantined line it is the whole line.
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: ArgumentHelp("The project, then an id such as d-48211.", valueName: "dir> <id"))
  var words: [String] = []
  @Option(
    name: [.customShort("d"), .long],
    help: ArgumentHelp("An object, @FILE, or - for stdin.", valueName: "JSON"))
  var data: String
  @Option(help: "Why; kept with the correction.") var reason = ""
  @Flag(help: "On a copy: say whether it would succeed and which rows would change.") var dryRun = false

  func run() throws {
    let names = try DeadNames(words, options, all: false)
    let session = CommandSession(options)
    try session.perform {
      let bytes =
        data == "-"
        ? try TextFile.bytes("-")
        : data.hasPrefix("@") ? try TextFile.bytes(String(data.dropFirst())) : Array(data.utf8)
      // One line, as the events of a log are: outside of strings JSON allows a space for a newline.
      let line = bytes.map { $0 == 0x0A || $0 == 0x0D ? 0x20 : $0 }
      let trimmed = line.drop { $0 == 0x20 }
      let end = trimmed.lastIndex { $0 != 0x20 }.map { $0 + 1 } ?? trimmed.startIndex
      try session.decide(
        DeadRequest(
          .correct, names.names, reason: reason, data: Array(trimmed[..<end]), rehearses: dryRun),
        of: names.directory)
    }
  }
}

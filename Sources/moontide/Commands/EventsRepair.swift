import ArgumentParser
import MoontideCore
import MoontideHost

/// `events repair [DIR]`
struct EventsRepair: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "repair", abstract: "Mend a damaged log; says what would be given up, does it with --yes.",
    usage: "moontide events repair [<dir>] [--yes] [--topic <number=name/partitions>] ...",
    discussion: """
      Keeps every record that is sound, puts single flipped bits right, and records what is lost as a gap in \
      the log: no position is used again. The damaged files are kept in data/repairs/. A backup is better: \
      moontide restore. Exits 1 when there is something to mend and --yes was not given.
      Example: moontide events repair shop --yes
      """)

  @OptionGroup var options: GlobalOptions
  @Argument(help: "The project.") var directory: String?
  @Flag(help: "Carry it out.") var yes = false
  @Flag(help: "Only say what would be done; this is what happens without --yes.") var dryRun = false
  @Option(
    name: .customLong("topic"),
    help: ArgumentHelp(
      "A topic whose declaration is lost, such as 0=events/8.", valueName: "number=name/partitions"))
  var topics: [String] = []

  func validate() throws {
    if yes, dryRun { throw ValidationError("--yes and --dry-run contradict each other") }
    _ = try named()
  }

  private func named() throws -> [UInt16: (name: TopicName, partitions: UInt16)] {
    var named: [UInt16: (name: TopicName, partitions: UInt16)] = [:]
    for text in topics {
      let parts = text.split(separator: "=", maxSplits: 1)
      let names = parts.last.map { $0.split(separator: "/", maxSplits: 1) } ?? []
      guard parts.count == 2, let number = UInt16(parts[0]),
        let name = names.first.flatMap({ TopicName(String($0)) })
      else { throw ValidationError("\(text) is not a number, = and a topic's name, such as 0=events/8") }
      var partitions: UInt16 = 0
      if names.count == 2 {
        guard let count = UInt16(names[1]), (1...Limits.partitionsMax).contains(count) else {
          throw ValidationError("a topic has 1 to \(Limits.partitionsMax) partitions, not \(names[1])")
        }
        partitions = count
      }
      named[number] = (name, partitions)
    }
    return named
  }

  func run() throws {
    let session = CommandSession(options)
    try session.perform {
      let project = try session.project(directory)
      let sink = PrintingSink(options)
      let outcome = try ProjectRepair(project).run(
        .init(carriesOut: yes, topics: try named()), to: sink, progress: { _, _ in })
      try sink.finish()
      guard outcome.wasNeeded else {
        return try session.note("the log is sound up to \(outcome.end): there is nothing to mend")
      }
      let figures =
        "\(Figures.counted(outcome.records, "record")) kept, "
        + "\(Figures.counted(outcome.lost, "record")) lost, "
        + "\(Figures.counted(UInt64(outcome.corrected), "bit")) put right"
      guard let folder = outcome.folder else {
        try session.note(
          "\(figures): nothing was changed\nhelp: moontide restore puts a backup in its place; without one: "
            + "moontide events repair \(project.root) --yes")
        throw ExitCodes.findings
      }
      try session.note(
        "\(figures); the log goes on at \(outcome.end), the damaged files and a report are in \(folder)\n"
          + "help: moontide doctor \(project.root)")
    }
  }
}

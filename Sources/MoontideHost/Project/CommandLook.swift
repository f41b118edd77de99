import MoontideCore
import MoontideLog
import MoontideRuntime

/// What became of the commands of a log, for `doctor`: each has one outcome, or waits for it.
struct CommandLook {
  private let log: LogReader
  private let catalog: ProjectCatalog

  init(_ log: LogReader, _ catalog: ProjectCatalog) {
    self.log = log
    self.catalog = catalog
  }

  private struct Tally {
    var commands: UInt64 = 0
    var verdicts: [CommandOutcome.Verdict: UInt64] = [:]
    var waiting: UInt64 { commands - min(commands, verdicts.values.reduce(0, +)) }

    static func + (a: Tally, b: Tally) -> Tally {
      Tally(commands: a.commands + b.commands, verdicts: a.verdicts.merging(b.verdicts, uniquingKeysWith: +))
    }
  }

  /// A row for each decider that was sent something, and one for commands that no decider takes.
  func judge(isRunning: Bool, _ report: DoctorReport) throws(Diagnostic) {
    let tallies = try tallies()
    for decider in catalog.deciders {
      let tally = decider.commands.compactMap { tallies[$0] }.reduce(Tally(), +)
      guard tally.commands > 0 else { continue }
      let waiting = tally.waiting
      try report.add(
        "decider \(decider.name)", waiting > 0 ? .notable : .well,
        CommandLook.text(tally) + (waiting > 0 ? ", \(waiting) waiting" : ""),
        waiting > 0 && !isRunning ? "moontide run" : "")
    }
    let known = Set(catalog.deciders.flatMap(\.commands))
    for (type, tally) in tallies.sorted(by: { $0.key < $1.key })
    where tally.waiting > 0 && !known.contains(type) {
      try report.add(
        "command \(type)", .notable,
        "\(Counted.text(tally.waiting, "command")) without an outcome, and no decider takes the type",
        "write a decider that takes it: they are decided when it is there")
    }
  }

  private static func text(_ tally: Tally) -> String {
    let words: [(CommandOutcome.Verdict, String)] = [
      (.accepted, "accepted"), (.rejected, "rejected"), (.failed, "failed"),
    ]
    let parts = words.compactMap { verdict, word in tally.verdicts[verdict].map { "\($0) \(word)" } }
    return "\(Counted.text(tally.commands, "command"))"
      + (parts.isEmpty ? "" : " = \(parts.joined(separator: ", "))")
  }

  /// By type of command.
  private func tallies() throws(Diagnostic) -> [String: Tally] {
    let topics = log.topics()
    guard topics.contains(where: { $0.name == .commands }) else { return [:] }
    var tallies: [String: Tally] = [:]
    let batch = RecordBatch()
    var next = Position.start
    while next < log.durableEnd {
      next = try LogError.told { () throws(LogError) in
        try log.read(
          from: next, records: Limits.readRecordsDeepMax, bytes: Limits.readBytesDeepMax, into: batch)
      }
      for record in batch.records {
        switch record.envelope.kind {
        case .command: tallies[batch.bytes.text(record.envelope.type), default: Tally()].commands += 1
        case .outcome:
          guard let outcome = CommandOutcome(record, in: batch) else { continue }
          tallies[outcome.command, default: Tally()].verdicts[outcome.verdict, default: 0] += 1
        default: break
        }
      }
    }
    return tallies
  }
}

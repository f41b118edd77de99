import MoontideCore
import MoontideJSON
import MoontideRuntime

/// Commands without an outcome that nobody will answer: no decider of today takes their type, since theirs
/// was removed, or renamed its commands, after they were taken.
struct StrandedCommands: Equatable {
  /// How many of each type.
  var types: [String: UInt64] = [:]

  var count: UInt64 { types.values.reduce(0, +) }

  /// How many commands have no outcome, whoever is to decide them: told by the ends of two topics, without
  /// reading.
  static func undecided(in log: any EventLog) -> UInt64 {
    func records(_ name: TopicName) -> UInt64 {
      log.topics().first { $0.name == name }?.nextOffsets.reduce(0) { $0 + $1.value } ?? 0
    }
    let (commands, outcomes) = (records(.commands), records(.outcomes))
    return commands > outcomes ? commands - outcomes : 0
  }

  /// Reads all of the log; nil when that is over before its end.
  static func find(
    in log: any EventLog, _ catalog: ProjectCatalog, until isOver: () -> Bool
  ) throws(LogError) -> StrandedCommands? {
    var open: [Command.Identity: String] = [:]
    let batch = RecordBatch()
    var next = Position.start
    let end = log.durableEnd
    while next < end {
      if isOver() { return nil }
      next = try log.read(
        from: next, records: Limits.readRecordsDeepMax, bytes: Limits.readBytesDeepMax, into: batch)
      for record in batch.records {
        switch record.envelope.kind {
        case .command:
          let type = batch.bytes.text(record.envelope.type)
          if catalog.decider(ofCommand: type) == nil { open[Command.Identity(record, in: batch)] = type }
        case .outcome where !open.isEmpty: open[Command.Identity(record, in: batch)] = nil
        default: break
        }
      }
    }
    return StrandedCommands(types: open.values.reduce(into: [:]) { $0[$1, default: 0] += 1 })
  }

  /// Such as `3 commands have no decider and wait: Pay (2), Refund (1)`.
  var text: String {
    let shown = types.sorted { $0.key < $1.key }
    let names = shown.prefix(Limits.adviceNamesMax).map { "\($0.key) (\($0.value))" }
    let rest =
      shown.count > names.count ? " and \(Counted.text(shown.count - names.count, "other type"))" : ""
    return "\(StrandedCommands.text(count)): " + names.joined(separator: ", ") + rest
  }

  static func text(_ count: UInt64) -> String {
    let rest = count == 1 ? "has no decider and waits" : "have no decider and wait"
    return "\(Counted.text(count, "command")) \(rest)"
  }

  /// What shows them.
  static let next = "moontide query \"select * from sys.commands where outcome is null\""

  /// What a run says of them.
  static func warning(_ title: String) -> Diagnostic {
    Diagnostic(
      .warning, code: EnvelopeRule.noDecider.code, title,
      details: [
        .init("state", "they are kept, and decided as soon as a decider takes their type"),
        .init("help", "bring the decider back, or have another take these commands; \(next)"),
      ])
  }
}

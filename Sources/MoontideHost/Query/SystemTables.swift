import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// The tables `sys.…`: what the runtime knows of itself, in SQL.
struct SystemTables {
  let survey: HandlerSurvey
  let log: any EventLog
  let outline: LogOutline
  /// What keeps a table from being read; SQLite hands on its text only.
  let fault = TableFault()

  /// The schema, and the tables in it.
  static let names: Set = [
    "sys", "events", "handlers", "checkpoints", "dead_letters", "commands", "sagas", "timers", "effects",
    "reloads",
  ]

  var all: [any SystemTable] {
    let events = EventsTable(log) { [outline] isOver throws(LogError) in try outline.current(isOver) }
    return [
      events, handlers, checkpoints, deadLetters, CommandsTable(log, survey.catalog, fault),
      EffectsTable(survey, fault), reloads,
    ] + SagaTables(survey: survey, fault: fault).all
  }

  private var handlers: StaticSystemTable {
    StaticSystemTable(
      "handlers",
      columns: [
        .init("name", .text), .init("kind", .text), .init("version", .text), .init("state", .text),
        .init("checkpoint", .integer), .init("lag", .integer), .init("applied", .integer),
        .init("emitted", .integer), .init("held", .integer), .init("parked", .integer),
        .init("dead", .integer),
        .init("degraded_since", .integer), .init("rate", .integer), .init("p99_ms", .real),
        .init("rebuild_version", .text), .init("rebuild_position", .integer), .init("rebuild_end", .integer),
        .init("rebuild_left_s", .real),
      ]
    ) { [survey, fault] () throws(StoreError) in
      try fault.stored { () throws(Diagnostic) in try survey.summaries() }.map { handler in
        [
          .text(handler.name), .text(handler.kind.rawValue), .text(handler.version), .text(handler.state),
          .number(handler.checkpoint.value), .number(handler.lag), .number(handler.applied),
          .number(handler.emitted), .number(handler.held), .number(handler.parked), .number(handler.dead),
          handler.degradedSince.map { .number($0.value) } ?? .null,
          handler.rate.map { .integer(Int64($0.rounded())) } ?? .null,
          handler.p99Milliseconds.map { .real(($0 * 1_000).rounded() / 1_000) } ?? .null,
          handler.rebuild.map { .text($0.version) } ?? .null,
          handler.rebuild.map { .number($0.position.value) } ?? .null,
          handler.rebuild.map { .number($0.end.value) } ?? .null,
          handler.rebuild?.timeLeft.map { .real(($0 / .milliseconds(100)).rounded() / 10) } ?? .null,
        ]
      }
    }
  }

  private var checkpoints: StaticSystemTable {
    StaticSystemTable(
      "checkpoints",
      columns: [
        .init("handler", .text), .init("topic", .text), .init("partition", .integer),
        .init("position", .integer),
      ]
    ) { [survey, fault] () throws(StoreError) in
      try fault.stored { () throws(Diagnostic) in try survey.entries() }.flatMap { entry in
        entry.ledger.checkpoints.sorted { $0.key < $1.key }.map { partition, position in
          [
            .text(entry.identity.handler), .text(partition.topic.text), .integer(Int64(partition.partition)),
            .number(position.value),
          ]
        }
      }
    }
  }

  private var reloads: StaticSystemTable {
    let reloads = ReloadsTable(kept: KeptScripts(paths: survey.paths, files: survey.files, log: log))
    return StaticSystemTable("reloads", columns: ReloadsTable.columns) { [fault] () throws(StoreError) in
      try fault.stored { () throws(Diagnostic) in try reloads.rows() }
    }
  }

  private var deadLetters: StaticSystemTable {
    let letters = DeadLetterTable(survey: survey, log: log)
    return StaticSystemTable("dead_letters", columns: DeadLetterTable.columns) {
      [fault] () throws(StoreError) in
      try fault.stored { () throws(Diagnostic) in try letters.rows() }
    }
  }
}

/// Why a system table could not be read, beside the error that goes through SQLite. One thread.
final class TableFault {
  private(set) var told: Diagnostic?

  func stored<T>(_ body: () throws(Diagnostic) -> T) throws(StoreError) -> T {
    do throws(Diagnostic) { return try body() } catch {
      told = error
      throw .refused(error.title)
    }
  }
}

extension SystemValue {
  static func number(_ value: UInt64) -> SystemValue { .integer(Int64(clamping: value)) }
}

import MoontideCore
import MoontideJSON
import MoontideRuntime
import MoontideSQLite

/// The tables `sys.…`: what the runtime knows of itself, in SQL.
struct SystemTables {
  let survey: HandlerSurvey
  let log: any EventLog

  /// The schema, and the tables in it.
  static let names: Set = ["sys", "events", "handlers", "checkpoints", "dead_letters"]

  var all: [any SystemTable] { [EventsTable(log), handlers, checkpoints, deadLetters] }

  private var handlers: StaticSystemTable {
    StaticSystemTable(
      "handlers",
      columns: [
        .init("name", .text), .init("kind", .text), .init("version", .text), .init("state", .text),
        .init("checkpoint", .integer), .init("lag", .integer), .init("applied", .integer),
        .init("emitted", .integer), .init("held", .integer), .init("parked", .integer),
        .init("dead", .integer),
        .init("degraded_since", .integer), .init("rate", .integer), .init("p99_ms", .real),
      ]
    ) { [survey] () throws(StoreError) in
      try Self.stored { () throws(Diagnostic) in try survey.summaries() }.map { handler in
        [
          .text(handler.name), .text(handler.kind.rawValue), .text(handler.version), .text(handler.state),
          .number(handler.checkpoint.value), .number(handler.lag), .number(handler.applied),
          .number(handler.emitted), .number(handler.held), .number(handler.parked), .number(handler.dead),
          handler.degradedSince.map { .number($0.value) } ?? .null,
          handler.rate.map { .integer(Int64($0.rounded())) } ?? .null,
          handler.p99Milliseconds.map { .real(($0 * 1_000).rounded() / 1_000) } ?? .null,
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
    ) { [survey] () throws(StoreError) in
      try Self.stored { () throws(Diagnostic) in try survey.entries() }.flatMap { entry in
        entry.ledger.checkpoints.sorted { $0.key < $1.key }.map { partition, position in
          [
            .text(entry.identity.handler), .text(partition.topic.text), .integer(Int64(partition.partition)),
            .number(position.value),
          ]
        }
      }
    }
  }

  private var deadLetters: StaticSystemTable {
    StaticSystemTable(
      "dead_letters",
      columns: [
        .init("id", .text), .init("handler", .text), .init("position", .integer), .init("topic", .text),
        .init("partition", .integer), .init("offset", .integer), .init("key", .text),
        .init("event_id", .text),
        .init("type", .text), .init("version", .integer), .init("time", .text), .init("code", .text),
        .init("error", .text), .init("file", .text), .init("line", .integer), .init("place", .text),
        .init("attempts", .integer), .init("held", .integer), .init("script", .text), .init("raw", .text),
      ]
    ) { [survey, log] () throws(StoreError) in
      let entries = try Self.stored { () throws(Diagnostic) in try survey.entries() }
      let letters = entries.flatMap { entry in entry.deadLetters.map { Self.row($0, entry) } }
      return try letters + Self.stored { () throws(Diagnostic) in try QuarantineReader(log: log).rows() }
    }
  }

  private static func row(_ letter: DeadLetter, _ entry: HandlerSurvey.Entry) -> [SystemValue] {
    let held = entry.ledger.parked.first { $0.position == letter.position && $0.key == letter.key }?.held
      .count
    return [
      .text("d-\(letter.position.value)"), .text(entry.identity.handler), .number(letter.position.value),
      .text(letter.topic.text), .integer(Int64(letter.partition)), .number(letter.offset.value),
      .text(String(decoding: letter.key, as: UTF8.self)),
      .text(String(decoding: letter.eventID, as: UTF8.self)),
      .text(letter.eventType), .integer(Int64(letter.eventVersion)), .text(letter.eventTime),
      .text(letter.code), .text(letter.message), .text(letter.file), .integer(Int64(letter.line)),
      .text(letter.line > 0 ? "\(letter.file):\(letter.line)" : letter.file),
      .integer(Int64(letter.attempts)),
      .integer(Int64(held ?? 0)), .text(letter.scriptVersion), .null,
    ]
  }

  private static func stored<T>(_ body: () throws(Diagnostic) -> T) throws(StoreError) -> T {
    do throws(Diagnostic) { return try body() } catch { throw .refused(error.title) }
  }
}

extension SystemValue {
  static func number(_ value: UInt64) -> SystemValue { .integer(Int64(clamping: value)) }
}

import MoontideCore
import MoontideJSON
import MoontideRuntime
import MoontideSQLite

/// `sys.sagas` and `sys.timers`: the instances of all sagas, read from their files as a query goes along.
struct SagaTables {
  let survey: HandlerSurvey
  let fault: TableFault

  var all: [any SystemTable] {
    [
      SagaTable("sagas", Self.instanceColumns, survey, fault) { [survey] saga, row in
        let isPinned = survey.catalog.sagas[saga]?.isPinned(row) ?? false
        return [Self.instance(saga, row) + [.integer(isPinned ? 1 : 0)]]
      },
      SagaTable("timers", Self.timerColumns, survey, fault) { saga, row in
        row.timers.map { Self.timer(saga, row, $0) }
      },
    ]
  }

  /// `step` is where it stands; `version` the script by which it does; `steps`, `pending` and `notes` are
  /// JSON arrays, `state` JSON; `pinned` is 1 where it ends by an older script than today's.
  static let instanceColumns: [SystemColumn] = [
    .init("saga", .text), .init("key", .text), .init("status", .text), .init("step", .text),
    .init("reason", .text), .init("began", .integer), .init("changed", .integer), .init("time", .text),
    .init("next_timer", .text), .init("version", .text), .init("steps", .text), .init("pending", .text),
    .init("notes", .text), .init("state", .text), .init("pinned", .integer),
  ]

  /// `clock` is `event` or `wall`; `announced` is 1 while the firing is on its way through the log.
  static let timerColumns: [SystemColumn] = [
    .init("saga", .text), .init("key", .text), .init("timer", .text), .init("due", .text),
    .init("due_us", .integer), .init("clock", .text), .init("announced", .integer),
    .init("status", .text),
  ]

  private static func instance(_ saga: String, _ row: SagaRow) -> [SystemValue] {
    var body = JSONValue.null
    // What this version does not write it does not show.
    do throws(EnvelopeFault) { body = try JSONValue(parsing: row.body) } catch { body = .null }
    let due = row.timers.map(\.dueMicroseconds).min()
    return [
      .text(saga), .text(String(decoding: row.key, as: UTF8.self)), .text(row.status),
      .text(step(body, row)), .text(row.reason), .number(row.began.value), .number(row.changed.value),
      .text(EventTime(microseconds: row.changedMicroseconds).description),
      due.map { .text(EventTime(microseconds: $0).description) } ?? .null, .text(row.scriptVersion),
      json(body["steps"] ?? .array([])), json(body["pending"] ?? .array([])),
      json(body["notes"] ?? .array([])), StateText.json(row.state).map(json) ?? .null,
    ]
  }

  private static func json(_ value: JSONValue) -> SystemValue {
    var bytes: [UInt8] = []
    value.append(to: &bytes)
    return .text(String(decoding: bytes, as: UTF8.self))
  }

  /// The steps on which it stands.
  private static func step(_ body: JSONValue, _ row: SagaRow) -> String {
    guard case .array(let steps)? = body["steps"] else { return "" }
    return steps.filter { ["waiting", "compensating", "stuck"].contains($0["phase"]?.text) }
      .compactMap { $0["name"]?.text }.joined(separator: ", ")
  }

  private static func timer(_ saga: String, _ row: SagaRow, _ timer: SagaTimerRow) -> [SystemValue] {
    [
      .text(saga), .text(String(decoding: timer.key, as: UTF8.self)), .text(timer.purpose),
      .text(EventTime(microseconds: timer.dueMicroseconds).description),
      .integer(timer.dueMicroseconds), .text(timer.clock == .event ? "event" : "wall"),
      .integer(timer.announcement == .none ? 0 : 1), .text(row.status),
    ]
  }
}

/// Goes over the instances of sagas, all of them or those that a query names by `saga` and `key`.
private final class SagaTable: SystemTable {
  typealias Rows = (_ saga: String, _ row: SagaRow) -> [[SystemValue]]

  let name: String
  let columns: [SystemColumn]
  private let survey: HandlerSurvey
  private let fault: TableFault
  private let rows: Rows

  init(
    _ name: String, _ columns: [SystemColumn], _ survey: HandlerSurvey, _ fault: TableFault,
    rows: @escaping Rows
  ) {
    self.name = name
    self.columns = columns
    self.survey = survey
    self.fault = fault
    self.rows = rows
  }

  /// Columns 0 and 1 are the saga and the correlation value.
  func plan(_ conditions: [SystemCondition]) -> SystemPlan {
    let chosen = conditions.indices.filter {
      conditions[$0].column <= 1 && conditions[$0].comparison == .equal
    }
    return SystemPlan(
      chosen: chosen, rows: chosen.contains { conditions[$0].column == 1 } ? 1 : 10_000)
  }

  func open(
    _ conditions: [(condition: SystemCondition, value: SystemValue)], columnsUsed: UInt64
  ) throws(StoreError) -> any SystemCursor {
    var saga: String?
    var key: [UInt8]?
    for (condition, value) in conditions {
      guard case .text(let text) = value else { continue }
      if condition.column == 0 { saga = text } else { key = Array(text.utf8) }
    }
    let readers = try fault.stored { () throws(Diagnostic) in try survey.sagaReaders(named: saga) }
    return SagaCursor(readers, key: key, rows: rows)
  }
}

/// A page of instances at a time.
private final class SagaCursor: SystemCursor {
  private var readers: [(name: String, reader: StoreReader)]
  private let key: [UInt8]?
  private let rows: SagaTable.Rows
  private var waiting: [[SystemValue]] = []
  private var after: [UInt8]?
  private static let page = 1_000

  init(_ readers: [(name: String, reader: StoreReader)], key: [UInt8]?, rows: @escaping SagaTable.Rows) {
    self.readers = readers.reversed()
    self.key = key
    self.rows = rows
  }

  func next(into row: RowBuffer) throws(StoreError) -> Bool {
    while waiting.isEmpty {
      guard let (name, reader) = readers.last else { return false }
      try fill(name, reader)
    }
    row.removeAll()
    for value in waiting.removeLast() { row.append(value) }
    return true
  }

  private func fill(_ name: String, _ reader: StoreReader) throws(StoreError) {
    let page: [SagaRow]
    if let key {
      page = try reader.saga(key).map { [$0] } ?? []
    } else {
      page = try reader.sagas(after: after, limit: Self.page)
    }
    waiting = page.flatMap { rows(name, $0) }.reversed()
    after = page.last?.key
    if key != nil || page.count < Self.page {
      readers.removeLast()
      after = nil
    }
  }
}

extension HandlerSurvey {
  /// The files of sagas that have one, by name.
  func sagaReaders(named name: String?) throws(Diagnostic) -> [(name: String, reader: StoreReader)] {
    var readers: [(name: String, reader: StoreReader)] = []
    for definition in catalog.definitions
    where definition.kind == .saga && (name == nil || definition.name == name) {
      let path = paths.handlerFile(definition.name)
      if let reader = try StoreReader.ifThere(path, files) { readers.append((definition.name, reader)) }
    }
    return readers
  }
}

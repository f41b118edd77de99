public import MoontideCore

/// `sys.events`: the events of a log, read in place. Conditions on the position, on topic and key, and on the
/// time of recording are looked up in the log's own indexes; nothing else is.
public final class EventsTable: SystemTable {
  public let name = "events"
  public let columns: [SystemColumn] = [
    SystemColumn("position", .integer), SystemColumn("topic", .text), SystemColumn("partition", .integer),
    SystemColumn("offset", .integer), SystemColumn("id", .text), SystemColumn("source", .text),
    SystemColumn("type", .text), SystemColumn("version", .integer), SystemColumn("key", .text),
    SystemColumn("time", .text), SystemColumn("time_us", .integer), SystemColumn("recorded", .text),
    SystemColumn("data", .text), SystemColumn("meta", .text),
  ]

  enum Column {
    static let position = 0
    static let topic = 1
    static let type = 6
    static let key = 8
    static let recorded = 11
  }

  private let log: any EventLog

  /// Reads from `log`, which may be written to meanwhile: a scan ends at the durable end of its beginning.
  public init(_ log: any EventLog) { self.log = log }

  public func plan(_ conditions: [SystemCondition]) -> SystemPlan {
    var chosen: [Int] = []
    var rows = 1_000_000
    for (index, condition) in conditions.enumerated() {
      let isEqual = condition.comparison == .equal
      switch condition.column {
      case Column.position:
        chosen.append(index)
        rows = isEqual ? 1 : min(rows, 250_000)
      case Column.recorded:
        chosen.append(index)
        rows = min(rows, 250_000)
      case Column.type, Column.topic, Column.key:
        if isEqual { chosen.append(index) }
      default: break
      }
    }
    let equals = Set(chosen.filter { conditions[$0].comparison == .equal }.map { conditions[$0].column })
    if equals.isSuperset(of: [Column.topic, Column.key]) { rows = min(rows, 20) }
    return SystemPlan(chosen: chosen, rows: rows, orderedBy: Column.position)
  }

  public func open(
    _ conditions: [(condition: SystemCondition, value: SystemValue)], columnsUsed: UInt64
  ) throws(StoreError) -> any SystemCursor {
    var scan = EventScan(end: log.durableEnd)
    for (condition, value) in conditions { try narrow(&scan, condition, value) }
    return EventsCursor(log, scan, columnsUsed)
  }

  private func narrow(
    _ scan: inout EventScan, _ condition: SystemCondition, _ value: SystemValue
  ) throws(StoreError) {
    switch (condition.column, value) {
    case (_, .null): scan.isEmpty = true
    case (Column.position, .integer(let number)): scan.narrow(condition.comparison, number)
    case (Column.type, .text(let text)): scan.type = Array(text.utf8)
    case (Column.topic, .text(let text)):
      // A topic that the log does not have has no events; two different ones in one query neither.
      guard let known = log.topics().first(where: { $0.name.text == text }) else {
        scan.isEmpty = true
        return
      }
      scan.topic = known.id
    case (Column.key, .text(let text)): scan.key = Array(text.utf8)
    case (Column.recorded, .text(let text)):
      do { try narrow(&scan, condition.comparison, recorded: text) } catch { throw StoreError(error) }
    default: break
    }
  }

  /// Texts of `recorded` have the form `2026-11-17T09:14:03.123456Z`; any beginning of one bounds them.
  /// Sorting by text differs from sorting by time only below a second, hence the whole seconds here.
  private func narrow(
    _ scan: inout EventScan, _ comparison: SystemCondition.Comparison, recorded text: String
  ) throws(LogError) {
    let start = String(text.prefix(19))
    let form = "0000-01-01T00:00:00Z"
    guard let instant = EventTime(start + form.dropFirst(start.utf8.count)) else { return }
    if comparison != .less && comparison != .lessOrEqual {
      scan.start = max(scan.start, try log.position(of: .recorded(instant)) ?? scan.end)
    }
    if comparison != .greater && comparison != .greaterOrEqual {
      let past = EventTime(microseconds: instant.microseconds + 1_000_000)
      if let end = try log.position(of: .recorded(past)) { scan.end = min(scan.end, end) }
    }
  }
}

/// What a scan of the log has to look at.
struct EventScan {
  var start = Position.start
  /// Exclusive.
  var end: Position
  var topic: TopicID?
  var key: [UInt8]?
  var type: [UInt8]?
  var isEmpty = false

  init(end: Position) { self.end = end }

  mutating func narrow(_ comparison: SystemCondition.Comparison, _ number: Int64) {
    let isLower = comparison != .less && comparison != .lessOrEqual
    let isUpper = comparison != .greater && comparison != .greaterOrEqual
    if isLower, number >= 0 {
      let first = UInt64(number) + (comparison == .greater ? 1 : 0)
      start = max(start, Position(first))
    }
    if isUpper {
      if number < 0 { return isEmpty = true }
      end = min(end, Position(UInt64(number) + (comparison == .less ? 0 : 1)))
    }
  }
}

extension StoreError {
  /// A log's refusal, where only a store's can be told.
  init(_ error: LogError) {
    switch error {
    case .damaged(let file, let offset, let reason):
      self = .damaged(path: file, reason: "at byte \(offset): \(reason)")
    case .file(let error): self = .io(path: error.path, reason: "\(error.operation): \(error.reason)")
    default: self = .refused("\(error)")
    }
  }
}

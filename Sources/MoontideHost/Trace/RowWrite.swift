public import MoontideCore
import MoontideSQLite

/// One write of one row by one event.
public struct RowWrite: Sendable, Hashable {
  /// A column of the row, before and after.
  public struct Change: Sendable, Hashable {
    public var column: String
    /// Nil where there was no row.
    public var old: RowValue?
    /// Nil where there is none any more.
    public var new: RowValue?
  }

  public var position: Position
  public var event: EventName
  /// `insert`, `update` or `delete`.
  public var operation: String
  /// Of the script, relative to the project; nil when it is not known.
  public var file: String?
  /// From 1; 0 when it is not known.
  public var line: Int
  /// Columns whose value is another one than before, in the order of the schema; of a new row those that are
  /// not NULL.
  public var changes: [Change]

  init(_ change: RowChange, of event: EventName, _ watch: RowWatch) {
    position = event.position
    self.event = event
    operation = change.operation.rawValue
    let place = change.line < 0 ? nil : watch.lines[change.line]
    file = place?.path
    line = place?.line ?? 0
    changes = []
    let columns = watch.tables[change.table].columns
    for (index, column) in columns.enumerated() {
      func value(_ start: Int?) -> RowValue? {
        start.map { RowValue(watch.cells.cells[$0 + index], watch.cells.bytes) }
      }
      let (old, new) = (value(change.old), value(change.new))
      if old == new || (old ?? .null) == (new ?? .null) { continue }
      changes.append(Change(column: column, old: old, new: new))
    }
  }

  /// `status  'placed' → 'paid'`, a line a column.
  public var lines: [String] {
    if changes.isEmpty { return ["(no column changed)"] }
    let width = changes.map(\.column.count).max() ?? 0
    return changes.map { change in
      let name = change.column + String(repeating: " ", count: width - change.column.count)
      return "\(name)  \(RowWrite.text(change))"
    }
  }

  /// `'placed' → 'paid'`, `→ 'paid'` of a new row, `'paid' →` of one that is gone.
  static func text(_ change: Change) -> String {
    [change.old?.shown, "→", change.new?.shown].compactMap { $0 }.joined(separator: " ")
  }
}

/// An event by what people know it by.
public struct EventName: Sendable, Hashable {
  public var position: Position
  /// `orders/1@1042`
  public var place: String
  /// The time of the event as written.
  public var time: String
  public var type: String
  /// As stored.
  public var version: UInt32
  public var key: String
  public var id: String
  /// What upcasters made of it for the handler: `OrderPlaced v3`. Empty where it was met as it is stored.
  public var seen: [String] = []
  /// A person has corrected its data for this handler.
  public var isCorrected = false
  /// As the handler met it; nil unless values were asked for.
  public var data: String?

  init(_ record: Record, in batch: RecordBatch, topic: TopicName) {
    let envelope = record.envelope
    position = record.position
    place = "\(topic)/\(record.partition)@\(record.offset)"
    let written = batch.bytes.text(envelope.time)
    time =
      written.isEmpty ? EventTime(microseconds: envelope.timeMicroseconds).description : written
    type = batch.bytes.text(envelope.type)
    version = envelope.version
    key = batch.bytes.text(envelope.key)
    id = batch.bytes.text(envelope.id)
  }

  init(_ event: TracedEvent, withData: Bool) {
    self.init(event.record, in: event.batch, topic: event.topic)
    seen = event.seen
    isCorrected = event.isCorrected
    if withData { data = event.batch.bytes.text(event.record.envelope.data) }
  }

  /// ` (v1, read as OrderPlaced v3; corrected)`, or nothing.
  var remark: String {
    var parts: [String] = []
    if !seen.isEmpty { parts.append("v\(version), read as \(seen.joined(separator: ", "))") }
    if isCorrected { parts.append("as a person corrected it") }
    return parts.isEmpty ? "" : " (\(parts.joined(separator: "; ")))"
  }
}

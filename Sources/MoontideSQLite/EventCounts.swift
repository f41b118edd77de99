import MoontideCore

/// Answers what is asked of topic and type alone: as many rows as there are events, from how many there are.
enum EventCounts {
  /// Throws `refused` for a log with more types than can be counted.
  static func cursor(
    _ scan: EventScan, _ choice: EventsChoice, _ log: any EventLog, _ outline: any EventOutline,
    isOver: () -> Bool
  ) throws(StoreError) -> any SystemCursor {
    if scan.isEmpty { return RowListCursor([]) }
    let names = Dictionary(uniqueKeysWithValues: log.topics().map { ($0.id, $0.name.text) })
    let question = scan.question
    let tallies: [EventTally]
    if let known = outline.tallies {
      tallies = known
    } else {
      tallies = try counted(log, before: outline.end, isOver)
    }
    var groups = tallies.filter {
      (question.topic == nil || $0.topic == question.topic)
        && (question.type == nil || $0.type == question.type)
    }
    .map { Group(topic: Array((names[$0.topic] ?? "").utf8), type: $0.type, count: $0.count) }
    groups.sort { one, other in
      let byTopic = compared(one.topic, other.topic, descends: choice.topicDescends)
      let byType = compared(one.type, other.type, descends: choice.typeDescends)
      return (choice.isTypeFirst ? byType ?? byTopic : byTopic ?? byType) ?? false
    }
    return Cursor(groups, isOnce: choice.isOnce)
  }

  struct Group {
    var topic: [UInt8]
    var type: [UInt8]
    var count: Int
  }

  /// By bytes, as SQLite compares texts; nil when they are equal.
  private static func compared(_ one: [UInt8], _ other: [UInt8], descends: Bool) -> Bool? {
    if one == other { return nil }
    return one.lexicographicallyPrecedes(other) != descends
  }

  /// Reads all of the log, for an outline that does not tell all types apart.
  private static func counted(
    _ log: any EventLog, before end: Position, _ isOver: () -> Bool
  ) throws(StoreError) -> [EventTally] {
    struct Pair: Hashable {
      var topic: TopicID
      var type: [UInt8]
    }
    var counts: [Pair: Int] = [:]
    let batch = RecordBatch()
    var position = Position.start
    while position < end {
      if isOver() { throw .refused("the query was stopped") }
      do {
        position = try log.read(
          from: position, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      } catch { throw StoreError(error) }
      for record in batch.records where record.envelope.kind == .event && record.position < end {
        let pair = Pair(topic: record.topic, type: Array(batch.bytes[record.envelope.type.indices]))
        counts[pair, default: 0] += 1
      }
      guard counts.count <= Limits.countedTypesMax else {
        throw .refused("the log has more than \(Limits.countedTypesMax) types: too many to be counted")
      }
    }
    return counts.map { EventTally(topic: $0.topic, type: $0.type, count: $1) }
  }

  /// Rows in which nothing but topic and type is filled in.
  private final class Cursor: SystemCursor {
    private let groups: [Group]
    private let isOnce: Bool
    private var index = 0
    private var given = 0

    init(_ groups: [Group], isOnce: Bool) {
      self.groups = groups
      self.isOnce = isOnce
    }

    /// Rows of the group at `index` that are to come.
    private var left: Int { index < groups.count ? (isOnce ? 1 : groups[index].count) - given : 0 }

    func repeats() -> Bool {
      guard given > 0, left > 0 else { return false }
      given += 1
      return true
    }

    func next(into row: RowBuffer) -> Bool {
      while index < groups.count, left == 0 {
        index += 1
        given = 0
      }
      guard index < groups.count else { return false }
      given += 1
      let group = groups[index]
      for column in 0...EventsTable.Column.type {
        switch column {
        case EventsTable.Column.topic: row.append(bytes: group.topic)
        case EventsTable.Column.type: row.append(bytes: group.type)
        default: row.cells.append(.null)
        }
      }
      return true
    }
  }
}

extension RowBuffer {
  /// One cell more: text in UTF-8.
  fileprivate func append(bytes text: [UInt8]) {
    let part = ByteRange(start: bytes.count, count: text.count)
    bytes.append(contentsOf: text)
    cells.append(Cell(kind: .text, part: part))
  }
}

import MoontideCore

/// One scan of `sys.events`: batches of the log, row by row, only the columns that are asked for.
final class EventsCursor: SystemCursor {
  private let scan: EventScan
  private let feed: any EventFeed
  private let columnsUsed: UInt64
  private let isOver: () -> Bool
  private let batch = RecordBatch()
  private var index = 0
  private var isAtEnd = false
  private let topicNames: [TopicID: String]

  init(
    _ log: any EventLog, _ scan: EventScan, _ feed: any EventFeed, columnsUsed: UInt64,
    isOver: @escaping () -> Bool
  ) {
    self.scan = scan
    self.feed = feed
    self.columnsUsed = columnsUsed
    self.isOver = isOver
    topicNames = Dictionary(uniqueKeysWithValues: log.topics().map { ($0.id, $0.name.text) })
  }

  func next(into row: RowBuffer) throws(StoreError) -> Bool {
    while !isAtEnd {
      while index < batch.records.count {
        let record = batch.records[index]
        index += 1
        if scan.matches(record, in: batch.bytes) {
          write(record, into: row)
          return true
        }
      }
      if isOver() { throw .refused("the query was stopped") }
      index = 0
      do { isAtEnd = try !feed.fill(batch) } catch { throw StoreError(error) }
    }
    return false
  }

  private func write(_ record: Record, into row: RowBuffer) {
    func isUsed(_ column: Int) -> Bool { columnsUsed & 1 << UInt64(column) != 0 }
    let envelope = record.envelope
    func text(_ column: Int, _ part: ByteRange, isOptional: Bool = false) {
      guard isUsed(column), !(isOptional && part.isEmpty) else { return row.cells.append(.null) }
      row.cells.append(Cell(kind: .text, part: row.bytes.appendPart(batch.bytes, part)))
    }
    row.cells.append(.integer(Int64(record.position.value)))
    if isUsed(1) { row.append(text: topicNames[record.topic] ?? "") } else { row.cells.append(.null) }
    row.cells.append(.integer(Int64(record.partition)))
    row.cells.append(.integer(Int64(record.offset.value)))
    text(4, envelope.id)
    text(5, envelope.source)
    text(6, envelope.type)
    row.cells.append(.integer(Int64(envelope.version)))
    text(8, envelope.key)
    // Without a time of its own an event has that of its recording.
    let recorded = EventTime(microseconds: record.recordedMicroseconds)
    if envelope.time.isEmpty, isUsed(9) {
      row.append(text: recorded.description)
    } else {
      text(9, envelope.time)
    }
    row.cells.append(.integer(envelope.timeMicroseconds))
    if isUsed(11) { row.append(text: recorded.description) } else { row.cells.append(.null) }
    text(12, envelope.data)
    text(13, envelope.meta, isOptional: true)
  }
}

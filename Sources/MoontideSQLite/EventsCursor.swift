import MoontideCore

/// One scan of `sys.events`: batches of the log, row by row, only the columns that are asked for.
final class EventsCursor: SystemCursor {
  /// Small first, so that `limit 1` is quick; then larger.
  private static let recordsFirst = 64

  private let log: any EventLog
  private let scan: EventScan
  private let columnsUsed: UInt64
  private let batch = RecordBatch()
  private var index = 0
  private var position: Position
  /// Of a scan of one key: the next event of it.
  private var version = 0
  private var records = EventsCursor.recordsFirst
  private var isAtEnd: Bool
  private let topicNames: [TopicID: String]

  init(_ log: any EventLog, _ scan: EventScan, _ columnsUsed: UInt64) {
    self.log = log
    self.scan = scan
    self.columnsUsed = columnsUsed
    position = scan.start
    isAtEnd = scan.isEmpty || scan.start >= scan.end
    topicNames = Dictionary(uniqueKeysWithValues: log.topics().map { ($0.id, $0.name.text) })
  }

  func next(into row: RowBuffer) throws(StoreError) -> Bool {
    while !isAtEnd {
      while index < batch.records.count {
        let record = batch.records[index]
        index += 1
        if record.position >= scan.end { break }
        if matches(record) {
          write(record, into: row)
          return true
        }
      }
      if index < batch.records.count {
        isAtEnd = true
      } else {
        do { try fill() } catch { throw StoreError(error) }
      }
    }
    return false
  }

  private func fill() throws(LogError) {
    index = 0
    if let topic = scan.topic, let key = scan.key {
      let next = try log.read(topic: topic, key: key, from: version, records: records, into: batch)
      isAtEnd = next == version
      version = next
    } else {
      let next = try log.read(from: position, records: records, bytes: Limits.readBytesMax, into: batch)
      isAtEnd = next == position || (batch.records.isEmpty && next >= scan.end)
      position = next
    }
    records = min(records * 4, Limits.readRecordsMax)
  }

  private func matches(_ record: Record) -> Bool {
    let envelope = record.envelope
    guard envelope.kind == .event, record.position >= scan.start else { return false }
    if let topic = scan.topic, topic != record.topic { return false }
    if let type = scan.type, !isSame(envelope.type, type) { return false }
    if let key = scan.key, !isSame(envelope.key, key) { return false }
    return true
  }

  private func isSame(_ part: ByteRange, _ other: [UInt8]) -> Bool {
    Int(part.count) == other.count && batch.bytes[part.indices].elementsEqual(other)
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

import MoontideCore

/// Finds events by their positions, and remembers them: many rows begin to differ at one event.
struct EventLookup {
  private let log: any EventLog
  private let batch = RecordBatch()
  private var known: [Position: FirstEvent] = [:]

  init(_ log: any EventLog) { self.log = log }

  /// Nil when no event lies there.
  mutating func event(at position: Position) throws(Diagnostic) -> FirstEvent? {
    if let event = known[position] { return event }
    let batch = batch
    let log = log
    let isRead = try LogError.told { () throws(LogError) in
      try log.read(from: position, records: 1, bytes: 1, into: batch) > position
    }
    guard isRead, let record = batch.records.first, record.position == position else { return nil }
    let text = { (part: ByteRange) in batch.bytes.text(part) }
    let event = FirstEvent(
      position: position, time: text(record.envelope.time), type: text(record.envelope.type),
      key: text(record.envelope.key), id: text(record.envelope.id))
    known[position] = event
    return event
  }
}

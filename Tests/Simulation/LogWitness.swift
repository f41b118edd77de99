import MoontideCore

/// What anyone has ever read below the durable end of the log: it must stay there, byte by byte, for ever.
/// Checks I1 and I2.
final class LogWitness {
  struct Seen: Equatable {
    var position: UInt64
    var offset: UInt64
    var topic: String
    var partition: UInt16
    var kind: RecordKind
    var id: String
    var source: String
    var type: String
    var version: UInt32
    var key: String
    var data: String
    /// Event time.
    var microseconds: Int64
  }

  private(set) var records: [Seen] = []
  private var identities: [String: UInt64] = [:]
  private var nextOffsets: [String: UInt64] = [:]
  private(set) var violations: [String] = []
  private let batch = RecordBatch()

  /// Reads on from where it stands.
  func readOn(_ log: any EventLog) throws(LogError) {
    try read(log, from: UInt64(records.count), again: false)
  }

  /// Reads everything again, as after a restart.
  func readAgain(_ log: any EventLog) throws(LogError) {
    if log.durableEnd.value < UInt64(records.count) {
      violations.append("I1: the log ends at \(log.durableEnd), \(records.count) records were durable")
      return
    }
    try read(log, from: 0, again: true)
  }

  private func read(_ log: any EventLog, from start: UInt64, again: Bool) throws(LogError) {
    let names = log.topics().map(\.name.text)
    var next = start
    let end = log.durableEnd.value
    while next < end {
      let after = try log.read(from: Position(next), records: 64, bytes: 1 << 20, into: batch).value
      for record in batch.records {
        let envelope = record.envelope
        let seen = Seen(
          position: record.position.value, offset: record.offset.value, topic: names[Int(record.topic.value)],
          partition: record.partition, kind: envelope.kind, id: batch.bytes.text(envelope.id),
          source: batch.bytes.text(envelope.source), type: batch.bytes.text(envelope.type),
          version: envelope.version, key: batch.bytes.text(envelope.key),
          data: batch.bytes.text(envelope.data), microseconds: envelope.timeMicroseconds)
        if seen.position < UInt64(records.count) {
          if records[Int(seen.position)] != seen {
            violations.append(
              "I1: the record at \(seen.position) was \(records[Int(seen.position)]) and is \(seen)")
          }
        } else {
          take(seen)
        }
      }
      guard after > next else {
        violations.append("I2: reading from \(next) leads to \(after), the durable end is \(end)")
        return
      }
      next = after
    }
    if records.count != Int(end) {
      violations.append("I2: the durable end is \(end), \(records.count) records were read")
    }
  }

  private func take(_ seen: Seen) {
    if seen.position != UInt64(records.count) {
      violations.append("I2: position \(seen.position) where \(records.count) is next")
    }
    let partition = "\(seen.topic)/\(seen.partition)"
    let offset = nextOffsets[partition] ?? 0
    if seen.offset != offset {
      violations.append("I2: offset \(seen.offset) of \(partition) where \(offset) is next")
    }
    nextOffsets[partition] = offset + 1
    let identity = "\(seen.topic) \(seen.source) \(seen.id)"
    if let first = identities[identity] {
      violations.append("I1: \(identity) is at \(first) and at \(seen.position)")
    }
    identities[identity] = seen.position
    records.append(seen)
  }

  func note(_ violation: String) { violations.append(violation) }
}

import MoontideCore
import MoontideRuntime

/// The events of a log's first and last records, as handlers see them: enough to know what events carry, in a
/// time that is bounded however long the log is. One thread.
struct EventSample {
  let log: any EventLog
  let viewer: EventViewer
  /// Hears of each event that upcasters fail on. Whom it concerns has it as a dead letter; when the text of
  /// the upcaster hides what it makes, it may concern nobody.
  var failed: (Diagnostic) -> Void = { _ in }

  /// - Parameter body: called with each event, and the batch that its parts are in.
  func forEach(_ body: (Record, RecordBatch) -> Void) throws(Diagnostic) {
    let end = log.durableEnd
    let half = UInt64(Limits.fieldCensusRecordsMax / 2)
    try forEach(from: .start, to: Position(min(end.value, half)), body)
    try forEach(from: Position(max(half, end.value - min(end.value, half))), to: end, body)
  }

  private func forEach(
    from start: Position, to end: Position, _ body: (Record, RecordBatch) -> Void
  ) throws(Diagnostic) {
    let topics = Dictionary(uniqueKeysWithValues: log.topics().map { ($0.id, $0.name) })
    let batch = RecordBatch()
    var next = start
    while next < end {
      next = try LogError.told { () throws(LogError) in
        try log.read(from: next, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      }
      for record in batch.records where record.envelope.kind == .event && record.position < end {
        let seen: [Record]
        do throws(Diagnostic) {
          seen = try viewer.see(record, in: batch, topic: topics[record.topic] ?? .events)
        } catch {
          failed(error)
          continue
        }
        for one in seen { body(one, batch) }
      }
    }
  }
}

import MoontideCore
import MoontideJSON
import MoontideRuntime
import MoontideSQLite

/// Lines that were set aside and that nobody has dealt with.
struct QuarantineReader {
  let log: any EventLog

  /// One of them, and where its record lies.
  struct Line {
    var position: Position
    var partition: UInt16
    var offset: Offset
    var recorded: EventTime
    var note: QuarantineNote

    var id: String { "d-\(position.value)" }
    var fault: String { FaultGroup.name(handler: "ingest", code: note.code, spot: note.file) }
  }

  func lines() throws(Diagnostic) -> [Line] {
    guard let topic = log.topics().first(where: { $0.name == .quarantine }) else { return [] }
    let settled = try LogError.told { () throws(LogError) in
      Set(try Decision.all(of: Decision.linesKey, from: log).flatMap { $0.decision.positions })
    }
    var lines: [Line] = []
    let batch = RecordBatch()
    var version = 0
    while true {
      let next = try LogError.told { () throws(LogError) in
        try log.read(
          topic: topic.id, key: QuarantineNote.key, from: version, records: Limits.readRecordsMax, into: batch
        )
      }
      if next == version { return lines }
      version = next
      for record in batch.records where !settled.contains(record.position) {
        lines.append(try line(record, batch))
      }
    }
  }

  private func line(_ record: Record, _ batch: RecordBatch) throws(Diagnostic) -> Line {
    do throws(EnvelopeFault) {
      return Line(
        position: record.position, partition: record.partition, offset: record.offset,
        recorded: EventTime(microseconds: record.recordedMicroseconds),
        note: try QuarantineNote(json: try JSONValue(parsing: batch.bytes, record.envelope.data)))
    } catch {
      throw Diagnostic(
        .logDamaged, "the quarantine record at \(record.position) is not readable: \(error.reason)")
    }
  }
}

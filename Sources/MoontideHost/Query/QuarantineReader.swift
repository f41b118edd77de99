import MoontideCore
import MoontideJSON
import MoontideSQLite

/// Lines that were set aside, as rows of `sys.dead_letters`.
struct QuarantineReader {
  let log: any EventLog

  func rows() throws(Diagnostic) -> [[SystemValue]] {
    guard let topic = log.topics().first(where: { $0.name == .quarantine }) else { return [] }
    var rows: [[SystemValue]] = []
    let batch = RecordBatch()
    var version = 0
    while true {
      let next = try LogError.told { () throws(LogError) in
        try log.read(
          topic: topic.id, key: QuarantineNote.key, from: version, records: Limits.readRecordsMax, into: batch
        )
      }
      if next == version { return rows }
      version = next
      for record in batch.records { rows.append(try row(record, batch, topic)) }
    }
  }

  private func row(_ record: Record, _ batch: RecordBatch, _ topic: TopicDescription) throws(Diagnostic)
    -> [SystemValue]
  {
    let note: QuarantineNote
    do throws(EnvelopeFault) {
      note = try QuarantineNote(json: try JSONValue(parsing: batch.bytes, record.envelope.data))
    } catch {
      throw Diagnostic(
        .logDamaged, "the quarantine record at \(record.position) is not readable: \(error.reason)")
    }
    return [
      .text("d-\(record.position.value)"), .text("ingest"), .number(record.position.value),
      .text(topic.name.text),
      .integer(Int64(record.partition)), .number(record.offset.value), .null, .null, .null, .null,
      .text(EventTime(microseconds: record.recordedMicroseconds).description), .text(note.code),
      .text(note.reason),
      .text(note.file), .number(note.line), .text("\(note.file):\(note.line)"), .integer(1), .integer(0),
      .null,
      .text(note.rawText),
    ]
  }
}

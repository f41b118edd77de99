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

    /// The same line of the same file, also when the file was written anew and its lines are met again.
    struct Identity: Hashable {
      var file: String
      var line: UInt64
      var raw: String
    }

    var identity: Identity { Identity(file: note.file, line: note.line, raw: note.rawBase64) }
    var id: String { "d-\(position.value)" }
    var fault: String { FaultGroup.name(handler: "ingest", code: note.code, spot: note.file) }
  }

  /// Of lines that were met twice the later record.
  func lines() throws(Diagnostic) -> [Line] {
    let all = try records()
    let settled = try LogError.told { () throws(LogError) in
      Set(try Decision.all(of: Decision.linesKey, from: log).flatMap { $0.decision.positions })
    }
    let done = Set(all.lazy.filter { settled.contains($0.position) }.map(\.identity))
    var last: [Line.Identity: Position] = [:]
    for line in all { last[line.identity] = line.position }
    return all.filter { !done.contains($0.identity) && last[$0.identity] == $0.position }
  }

  private func records() throws(Diagnostic) -> [Line] {
    guard let topic = log.topics().first(where: { $0.name == .quarantine }) else { return [] }
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
      for record in batch.records { lines.append(try line(record, batch)) }
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

import MoontideCore
import Synchronization

/// An `EventLog` over a list of records: what `EventsTable` reads, with a count of the records it was given.
final class ListLog: EventLog {
  struct Entry {
    var topic: UInt16
    var kind: RecordKind
    var type: String
    var key: String
    var recorded: Int64
    var data: String
  }

  let entries: [Entry]
  let given = Mutex<Int>(0)
  /// How often a record was looked up by its identity.
  let lookups = Mutex<Int>(0)

  init(_ entries: [Entry]) { self.entries = entries }

  private func put(_ index: Int, into batch: RecordBatch) {
    let entry = entries[index]
    let envelope = Envelope(
      kind: entry.kind, version: 3, timeMicroseconds: entry.recorded,
      id: batch.bytes.appendPart("id-\(index)"), source: batch.bytes.appendPart("s"),
      type: batch.bytes.appendPart(entry.type), key: batch.bytes.appendPart(entry.key),
      time: batch.bytes.appendPart(index % 2 == 0 ? "2026-01-01T00:00:00Z" : ""),
      data: batch.bytes.appendPart(entry.data))
    batch.records.append(
      Record(
        position: Position(UInt64(index)), offset: Offset(UInt64(index)), topic: TopicID(entry.topic),
        partition: 0,
        recordedMicroseconds: entry.recorded, envelope: envelope))
    given.withLock { $0 += 1 }
  }

  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  {
    batch.removeAll()
    let first = Int(start.value)
    let end = min(entries.count, first + records)
    for index in first..<max(first, end) { put(index, into: batch) }
    return Position(UInt64(max(first, end)))
  }

  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    batch.removeAll()
    let all = entries.indices.filter {
      entries[$0].topic == topic.value && Array(entries[$0].key.utf8) == key
    }
    let part = all.dropFirst(version).prefix(records)
    for index in part { put(index, into: batch) }
    return version + part.count
  }

  func position(of place: LogPlace) throws(LogError) -> Position? {
    if case .identity(let topic, let source, let id) = place {
      lookups.withLock { $0 += 1 }
      let found = entries.indices.first { index in
        entries[index].topic == topic.value && source == Array("s".utf8) && id == Array("id-\(index)".utf8)
      }
      return found.map { Position(UInt64($0)) }
    }
    guard case .recorded(let time) = place else { return nil }
    return entries.firstIndex { $0.recorded >= time.microseconds }.map { Position(UInt64($0)) }
  }

  var durableEnd: Position { Position(UInt64(entries.count)) }
  func topics() -> [TopicDescription] {
    ["events", "orders"].enumerated().map { index, name in
      TopicDescription(
        id: TopicID(UInt16(index)), name: TopicName(name)!, partitions: 1,
        nextOffsets: [Offset(0)])
    }
  }
  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription { topics()[0] }
  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome {
    throw .readOnly(reason: "a list")
  }
  func flush() throws(LogError) -> Position { durableEnd }
  func sequenceEnd(of producer: ProducerID) -> UInt64? { nil }
  func wait(past position: Position, for timeout: Duration) -> Bool { position < durableEnd }
}

import Foundation
import MoontideCore
import MoontideJSON

/// A log in memory that keeps the contract of append: identities, conflicts, progress.
final class IngestMemoryLog: EventLog, @unchecked Sendable {
  struct Kept {
    var topic: TopicName
    var kind: RecordKind
    var id: String
    var source: String
    var type: String
    /// As an export writes it.
    var line: String
    var data: String
    var body: Digest
  }

  // Under `lock`, since the stages may run on threads.
  private let lock = NSLock()
  private(set) var records: [Kept] = []
  private var identities: [String: Int] = [:]
  private var known: [TopicDescription] = []
  private(set) var producers: [String: UInt64] = [:]
  private(set) var flushes = 0
  private(set) var appends = 0
  private var durable = 0
  /// Thrown by that many of the next appends.
  var refusals: [LogError] = []
  /// Called before each append, by its number from 0: what somebody else does in between.
  var beforeAppend: (Int) -> Void = { _ in }
  private var calls = 0

  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome {
    calls += 1
    let turn = beforeAppend
    turn(calls - 1)
    if !refusals.isEmpty { throw refusals.removeFirst() }
    return try locked { () throws(LogError) -> AppendOutcome in
      if let (producer, sequence) = request.progress, let end = producers[producer.text] {
        if sequence.upperBound <= end { return .alreadyWritten(durableWhen: Position(UInt64(records.count))) }
        guard sequence.lowerBound == end else {
          throw .sequenceGap(producer: producer, expected: end, got: sequence.lowerBound)
        }
      }
      return write(request)
    }
  }

  private func write(_ request: AppendRequest) -> AppendOutcome {
    var fresh: [(Kept, String)] = []
    var pending: [String: Digest] = [:]
    var conflicts: [AppendOutcome.Conflict] = []
    var repeats = 0
    for (index, draft) in request.batch.drafts.enumerated() {
      let kept = kept(draft, request.batch.bytes)
      let identity = "\(kept.topic)/\(kept.source)/\(kept.id)"
      if let place = identities[identity] {
        if records[place].body == kept.body {
          repeats += 1
        } else {
          conflicts.append(.init(index: index, position: Position(UInt64(place))))
        }
      } else if let body = pending[identity] {
        if body == kept.body { repeats += 1 } else { conflicts.append(.init(index: index, position: nil)) }
      } else {
        pending[identity] = kept.body
        fresh.append((kept, identity))
      }
    }
    if !conflicts.isEmpty { return .conflicts(conflicts) }
    let first = Position(UInt64(records.count))
    for (kept, identity) in fresh {
      identities[identity] = records.count
      records.append(kept)
    }
    if let (producer, sequence) = request.progress { producers[producer.text] = sequence.upperBound }
    appends += 1
    return .written(
      .init(first: first, count: fresh.count, repeats: repeats, durableWhen: Position(UInt64(records.count))))
  }

  private func kept(_ draft: Draft, _ bytes: [UInt8]) -> Kept {
    var line: [UInt8] = []
    JSONWriter.appendLine(draft.envelope, in: bytes, recordedMicroseconds: nil, to: &line)
    return Kept(
      topic: known[Int(draft.topic.value)].name, kind: draft.envelope.kind, id: bytes.text(draft.envelope.id),
      source: bytes.text(draft.envelope.source), type: bytes.text(draft.envelope.type),
      line: String(decoding: line, as: UTF8.self), data: bytes.text(draft.envelope.data), body: draft.body)
  }

  private func locked<T>(_ work: () throws(LogError) -> T) throws(LogError) -> T {
    lock.lock()
    defer { lock.unlock() }
    return try work()
  }

  func flush() throws(LogError) -> Position {
    try locked { () throws(LogError) -> Position in
      flushes += 1
      durable = records.count
      return Position(UInt64(durable))
    }
  }

  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try locked { () throws(LogError) -> TopicDescription in
      if let topic = known.first(where: { $0.name == name }) { return topic }
      let count = partitions ?? Limits.partitionsDefault
      let topic = TopicDescription(
        id: TopicID(UInt16(known.count)), name: name, partitions: count,
        nextOffsets: Array(repeating: Offset(0), count: Int(count)))
      known.append(topic)
      return topic
    }
  }

  func sequenceEnd(of producer: ProducerID) -> UInt64? {
    lock.lock()
    defer { lock.unlock() }
    return producers[producer.text]
  }

  func topics() -> [TopicDescription] { known }
  var durableEnd: Position { Position(UInt64(durable)) }
  func wait(past position: Position, for timeout: Duration) -> Bool { durableEnd > position }
  func position(of place: LogPlace) throws(LogError) -> Position? { nil }
  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  {
    start
  }
  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int { version }
}

import Foundation
import MoontideCore
import MoontideHost
import Synchronization

/// A log that knows how long flushes took: what is measured around it can leave the disk out.
final class TimedLog: EventLog {
  private let log: any EventLog
  private let nanoseconds = Atomic<Int64>(0)

  init(_ log: any EventLog) { self.log = log }

  /// Of all flushes so far.
  var flushed: Duration { .nanoseconds(nanoseconds.load(ordering: .relaxed)) }

  @discardableResult func flush() throws(LogError) -> Position {
    let start = SystemSurroundings.clock.monotonic
    defer {
      let nanoseconds = (SystemSurroundings.clock.monotonic - start) / .nanoseconds(1)
      self.nanoseconds.add(Int64(nanoseconds), ordering: .relaxed)
    }
    return try log.flush()
  }

  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome { try log.append(request) }
  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  { try log.read(from: start, records: records, bytes: bytes, into: batch) }
  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    try log.read(topic: topic, key: key, from: version, records: records, bytes: bytes, into: batch)
  }
  func position(of place: LogPlace) throws(LogError) -> Position? { try log.position(of: place) }
  var durableEnd: Position { log.durableEnd }
  func topics() -> [TopicDescription] { log.topics() }
  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try log.topic(name, partitions: partitions)
  }
  func sequenceEnd(of producer: ProducerID) -> UInt64? { log.sequenceEnd(of: producer) }
  func wait(past position: Position, for timeout: Duration) -> Bool { log.wait(past: position, for: timeout) }
}

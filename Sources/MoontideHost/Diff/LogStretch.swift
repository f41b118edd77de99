import MoontideCore

/// A log that ends at a position for whoever reads it from its start to its end; keys and places are found in
/// all of it.
final class LogStretch: EventLog {
  let durableEnd: Position
  private let log: any EventLog

  init(_ log: any EventLog, before end: Position) {
    self.log = log
    durableEnd = min(end, log.durableEnd)
  }

  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  {
    let room = durableEnd.value - min(start.value, durableEnd.value)
    guard room > 0 else {
      batch.removeAll()
      return start
    }
    // Every record has a position of its own, so that no more than these can come.
    return min(
      durableEnd,
      try log.read(from: start, records: min(records, Int(clamping: room)), bytes: bytes, into: batch))
  }

  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    try log.read(topic: topic, key: key, from: version, records: records, bytes: bytes, into: batch)
  }

  func position(of place: LogPlace) throws(LogError) -> Position? { try log.position(of: place) }

  func topics() -> [TopicDescription] { log.topics() }

  func sequenceEnd(of producer: ProducerID) -> UInt64? { log.sequenceEnd(of: producer) }

  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome { try log.append(request) }

  func flush() throws(LogError) -> Position { durableEnd }

  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try log.topic(name, partitions: partitions)
  }

  /// Never blocks: nothing comes.
  func wait(past position: Position, for timeout: Duration) -> Bool { durableEnd > position }
}

import MoontideCore

/// A log behind a mistake of those who keep results of effects.
///
/// `@unchecked Sendable`: a simulation is one thread.
final class BuggyResultLog: EventLog, @unchecked Sendable {
  private let log: any EventLog
  private let bug: PlantedBug
  private let numbers: SeededNumbers

  init(_ log: any EventLog, _ bug: PlantedBug, _ numbers: SeededNumbers) {
    self.log = log
    self.bug = bug
    self.numbers = numbers
  }

  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome {
    let isOfResults = request.batch.drafts.contains { $0.envelope.kind == .result }
    if bug == .resultIsLost, isOfResults, numbers.chance(0.1) {
      return .written(.init(first: log.durableEnd, count: 0, repeats: 0, durableWhen: log.durableEnd))
    }
    return try log.append(request)
  }

  @discardableResult func flush() throws(LogError) -> Position { try log.flush() }

  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  { try log.read(from: start, records: records, bytes: bytes, into: batch) }

  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    try log.read(topic: topic, key: key, from: version, records: records, bytes: bytes, into: batch)
  }

  func position(of place: LogPlace) throws(LogError) -> Position? {
    if bug == .effectIsRepeatedAfterItsResult, case .identity(let topic, _, _) = place,
      log.topics().contains(where: { $0.id == topic && $0.name == .results })
    {
      return nil
    }
    return try log.position(of: place)
  }

  var durableEnd: Position { log.durableEnd }
  func topics() -> [TopicDescription] { log.topics() }
  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try log.topic(name, partitions: partitions)
  }
  func sequenceEnd(of producer: ProducerID) -> UInt64? { log.sequenceEnd(of: producer) }
  func wait(past position: Position, for timeout: Duration) -> Bool { log.wait(past: position, for: timeout) }
}

import MoontideCore

/// Which records concern one lane of a handler, and how far it has come with each partition. A class, so that
/// asking it for each record copies nothing.
final class LaneSelection {
  struct Topic {
    var name: TopicName
    var nameBytes: [UInt8]
    /// Of handler and topic; with an event's id it seeds `math.random`.
    var seed: Digest
    /// Index of partition 0 in `floors`; -1 when the handler does not listen.
    var first: Int
    var partitions: UInt16
  }

  private let definition: HandlerDefinition
  private let lane: Int
  /// By the log's number.
  private(set) var topics: [Topic] = []
  /// The next position of every partition; `UInt64.max` for those of other lanes.
  private var floors: [UInt64] = []
  /// The partitions of this lane, in the order of their topics.
  private(set) var partitions: [TopicPartition] = []
  private var owned: [Int] = []

  init(_ definition: HandlerDefinition, lane: Int) {
    self.definition = definition
    self.lane = lane
  }

  /// Learns topics that are new. A partition that was never checkpointed begins at `start`.
  func learn(
    _ descriptions: [TopicDescription], checkpoints: [TopicPartition: Position], start: Position
  ) {
    for description in descriptions.dropFirst(topics.count) {
      let listens = definition.listens(to: description.name)
      let seed = Digest.zero.adding(definition.identityName).adding(description.name.text)
      topics.append(
        Topic(
          name: description.name, nameBytes: Array(description.name.text.utf8), seed: seed,
          first: listens ? floors.count : -1, partitions: description.partitions))
      guard listens else { continue }
      for partition in 0..<description.partitions {
        let place = TopicPartition(topic: description.name, partition: partition)
        if Int(partition) % definition.lanes == lane {
          owned.append(floors.count)
          partitions.append(place)
          floors.append((checkpoints[place] ?? start).value)
        } else {
          floors.append(.max)
        }
      }
    }
  }

  /// Whether a record is an event of this lane, or a result that was placed, that was not handled yet. Its
  /// type is not looked at.
  func takes(_ record: Record) -> Bool {
    guard record.envelope.kind == .event || record.envelope.kind == .result else { return false }
    let first = topics[Int(record.topic.value)].first
    return first >= 0 && record.position.value >= floors[first + Int(record.partition)]
  }

  /// The result of an effect as if it stood with its cause: in its topic and partition, at its own position.
  /// So it waits in the order of the key, and has its state. As it is when the handler does not listen there.
  func placed(_ record: Record, with topic: TopicName, in batch: RecordBatch) -> Record {
    guard let index = topics.firstIndex(where: { $0.name == topic && $0.first >= 0 }) else { return record }
    var record = record
    record.topic = TopicID(UInt16(index))
    record.partition = Partitioner.partition(
      batch.bytes, record.envelope.key, of: topics[index].partitions)
    return record
  }

  func knows(_ topic: TopicID) -> Bool { Int(topic.value) < topics.count }

  /// Where to read from: the least checkpoint of its partitions, or nil when it has none.
  var position: Position? { owned.map { floors[$0] }.min().map(Position.init) }

  /// The partitions that a commit at `end` moves: those behind it.
  func partitions(behind end: Position) -> [TopicPartition] {
    if owned.allSatisfy({ floors[$0] < end.value }) { return partitions }
    return zip(owned, partitions).filter { floors[$0.0] < end.value }.map(\.1)
  }

  /// The partitions whose next position is exactly `position`.
  func partitions(at position: Position) -> [TopicPartition] {
    zip(owned, partitions).filter { floors[$0.0] == position.value }.map(\.1)
  }

  /// Everything before `end` is handled.
  func advance(to end: Position) {
    for index in owned where floors[index] < end.value { floors[index] = end.value }
  }
}

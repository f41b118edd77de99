import MoontideCore

/// All that follows from the log up to one place in it: what the next append goes on from.
struct LogPoint: Sendable, Equatable {
  struct Topic: Sendable, Equatable {
    var name: TopicName
    var partitions: UInt16
    /// The next offset of each partition.
    var nextOffsets: [UInt64]
  }

  /// The next position and the next batch's number.
  var position: UInt64 = 0
  var batch: UInt64 = 0
  /// Of the last batch; recorded time never goes back.
  var recorded: Int64 = .min
  /// Where the next batch begins, unless a new segment does.
  var segment = 0
  var offset: UInt64 = 0
  /// The last batch's address and the checksum of its header, to tell a log from another's checkpoint; 0
  /// and 0 before the first.
  var lastBatch: UInt64 = 0
  var lastChecksum: UInt32 = 0
  var topics: [Topic] = []
  var producers: [ProducerID: UInt64] = [:]

  func describe(_ index: Int) -> TopicDescription {
    let topic = topics[index]
    return TopicDescription(
      id: TopicID(UInt16(index)), name: topic.name, partitions: topic.partitions,
      nextOffsets: topic.nextOffsets.map { Offset($0) })
  }

  func topicIndex(_ name: TopicName) -> Int? { topics.firstIndex { $0.name == name } }

  /// Moves behind a batch whose header lies at `offset` of `segment`; records are counted by `take`.
  mutating func pass(_ header: BatchHeader, segment: Int, offset: UInt64, checksum: UInt32) {
    position = header.endPosition
    batch = header.nextBatch
    recorded = header.recorded
    self.segment = segment
    self.offset = offset + UInt64(header.totalBytes)
    lastBatch = LogAddress(segment: segment, offset: offset).value
    lastChecksum = checksum
  }

  /// Goes on in a partition behind a gap; false when it is not there or has come further.
  mutating func jump(_ jump: LogGap.Jump) -> Bool {
    let (topic, partition) = (Int(jump.partition >> 16), Int(jump.partition & 0xffff))
    guard topic < topics.count, partition < topics[topic].nextOffsets.count,
      topics[topic].nextOffsets[partition] <= jump.next
    else { return false }
    topics[topic].nextOffsets[partition] = jump.next
    return true
  }

  /// Takes the next offset of a partition.
  mutating func take(_ topic: TopicID, _ partition: UInt16) -> UInt64 {
    let offset = topics[Int(topic.value)].nextOffsets[Int(partition)]
    topics[Int(topic.value)].nextOffsets[Int(partition)] = offset + 1
    return offset
  }
}

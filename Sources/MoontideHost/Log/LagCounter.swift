import MoontideCore
import MoontideRuntime

/// Counts the events that a handler has before it.
struct LagCounter {
  let log: any EventLog

  /// Matching events from the checkpoint of their partition on and below the durable end. Reads what lies
  /// between: nothing for a handler that has caught up.
  func count(
    _ definition: HandlerDefinition, from checkpoints: [TopicPartition: Position]
  ) throws(Diagnostic) -> UInt64 {
    let end = log.durableEnd
    let topics = log.topics().filter { definition.listens(to: $0.name) }
    var starts: [TopicID: [Position]] = [:]
    for topic in topics {
      starts[topic.id] = (0..<topic.partitions).map {
        checkpoints[TopicPartition(topic: topic.name, partition: $0)] ?? .start
      }
    }
    guard var next = starts.values.lazy.flatMap({ $0 }).min() else { return 0 }
    var count: UInt64 = 0
    var filter = InterestFilter(definition.interest)
    let batch = RecordBatch()
    while next < end {
      next = try LogError.told { () throws(LogError) in
        try log.read(from: next, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      }
      for record in batch.records where record.position < end {
        if record.envelope.kind == .result, definition.countsResults {
          if isAhead(record, in: batch, definition, topics, starts) { count += 1 }
          continue
        }
        guard record.envelope.kind == .event else { continue }
        guard let partitions = starts[record.topic], record.position >= partitions[Int(record.partition)]
        else { continue }
        if filter.concerns(record, in: batch) { count += 1 }
      }
    }
    return count
  }

  /// Whether a result is one of the handler's, and lies before it: it counts with the partition of its cause.
  private func isAhead(
    _ record: Record, in batch: RecordBatch, _ definition: HandlerDefinition, _ topics: [TopicDescription],
    _ starts: [TopicID: [Position]]
  ) -> Bool {
    guard let name = EffectResult.topic(of: record, in: batch, maker: definition.identityName),
      let topic = topics.first(where: { $0.name == name }), let partitions = starts[topic.id]
    else { return false }
    let partition = Partitioner.partition(batch.bytes, record.envelope.key, of: topic.partitions)
    return record.position >= partitions[Int(partition)]
  }

  /// Commands of a decider from that position on that have no outcome.
  func count(_ decider: DeciderDefinition, from start: Position) throws(Diagnostic) -> UInt64 {
    let end = log.durableEnd
    var open: Set<Command.Identity> = []
    var next = start
    let batch = RecordBatch()
    while next < end {
      next = try LogError.told { () throws(LogError) in
        try log.read(from: next, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      }
      for record in batch.records {
        switch record.envelope.kind {
        case .command where decider.commands.contains(batch.bytes.text(record.envelope.type)):
          open.insert(Command(record, in: batch).identity)
        case .outcome: open.remove(Command(record, in: batch).identity)
        default: break
        }
      }
    }
    return UInt64(open.count)
  }
}

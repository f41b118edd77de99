import MoontideCore
import MoontideJSON

/// Writes the log's events as JSON lines, in order of position.
struct EventExporter {
  let log: any EventLog

  /// About this much goes to the sink at once.
  private static let chunkBytes = 1 << 20

  /// Everything that is durable at the call.
  func export(_ request: ExportRequest, to sink: any ByteSink) throws(Diagnostic) {
    let names = Dictionary(uniqueKeysWithValues: log.topics().map { ($0.id, $0.name) })
    var chunks: [TopicID: [UInt8]] = [:]
    let batch = RecordBatch()
    let end = log.durableEnd
    var next = Position.start
    var last: TopicID?
    while next < end {
      next = try LogError.told { () throws(LogError) in
        try log.read(from: next, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      }
      for record in batch.records where record.position < end && record.envelope.kind == .event {
        guard let name = names[record.topic], request.topic == nil || request.topic == name else { continue }
        // One stream for all topics keeps the order of position: what another topic waits with goes first.
        if let last, last != record.topic { try hand(over: last, names, &chunks, to: sink) }
        last = record.topic
        JSONWriter.appendLine(
          record.envelope, in: batch.bytes,
          recordedMicroseconds: request.recorded ? record.recordedMicroseconds : nil,
          to: &chunks[record.topic, default: []])
        chunks[record.topic]?.append(UInt8(ascii: "\n"))
        if chunks[record.topic]?.count ?? 0 >= EventExporter.chunkBytes {
          try hand(over: record.topic, names, &chunks, to: sink)
        }
      }
    }
    if let last { try hand(over: last, names, &chunks, to: sink) }
  }

  private func hand(
    over topic: TopicID, _ names: [TopicID: TopicName], _ chunks: inout [TopicID: [UInt8]],
    to sink: any ByteSink
  ) throws(Diagnostic) {
    guard let chunk = chunks[topic], !chunk.isEmpty, let name = names[topic] else { return }
    try sink.write(chunk, topic: name)
    chunks[topic]?.removeAll(keepingCapacity: true)
  }
}

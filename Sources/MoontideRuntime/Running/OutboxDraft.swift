import MoontideCore

extension OutboxEvent {
  private var kind: RecordKind {
    switch topic {
    case .commands: .command
    case .timers: .timer
    default: .event
    }
  }

  /// Appends the event, the command or the firing to `batch` as a draft.
  func draft(topic number: TopicID, into batch: DraftBatch) {
    var envelope = Envelope(kind: kind, given: [.source, .version, .key, .time], version: version)
    if !meta.isEmpty { envelope.given.insert(.meta) }
    func add(_ part: [UInt8]) -> ByteRange {
      batch.bytes.appendPart(part, ByteRange(start: 0, count: part.count))
    }
    envelope.id = add(id)
    envelope.source = add(source)
    envelope.type = add(type)
    envelope.key = add(key)
    envelope.time = add(time)
    envelope.data = add(data)
    envelope.meta = add(meta)
    envelope.timeMicroseconds = EventTime(batch.bytes, envelope.time)?.microseconds ?? .min
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    batch.drafts.append(Draft(topic: number, envelope: envelope, body: body))
  }
}

import MoontideCore

/// Takes batches that were read into the state, the index and the catalog: for opening a log.
struct LogReplay {
  private(set) var state: LogPoint
  let log: LogIdentity
  /// Nil for a reader, who finds nothing by identity or key.
  let index: LogIndex?
  let catalog: LogCatalog
  let options: LogOptions
  private var identities: [IndexHash] = []
  private var keys: [IndexHash] = []
  private var addresses: [LogAddress] = []
  private var offsets: [(partition: UInt32, mark: LogCatalog.OffsetMark)] = []

  init(state: LogPoint, log: LogIdentity, index: LogIndex?, catalog: LogCatalog, options: LogOptions) {
    self.state = state
    self.log = log
    self.index = index
    self.catalog = catalog
    self.options = options
  }

  /// Takes the sound batch at `start` of `bytes`, which lies at `offset` of the segment; true when a table
  /// of the index is full.
  mutating func take(
    _ header: BatchHeader, _ bytes: [UInt8], at start: Int, segment: Segment, offset: UInt64
  ) throws(LogError) -> Bool {
    func damaged(_ at: Int, _ reason: String) -> LogError {
      segment.file.damaged(at: offset + UInt64(at - start), reason)
    }
    guard header.batch == state.batch, header.basePosition == state.position else {
      throw damaged(
        start,
        "batch \(header.batch) at \(Position(header.basePosition)) where batch \(state.batch) at "
          + "\(Position(state.position)) is next")
    }
    guard header.durableEnd <= header.basePosition, header.durableBatches <= header.batch,
      header.recorded >= state.recorded
    else { throw damaged(start, "a batch contradicts the ones before it") }
    guard let preamble = BatchCheck.preamble(bytes, at: start, header) else {
      throw damaged(start + BatchHeader.bytes, "the producer or the topics of a batch contradict its header")
    }
    for topic in preamble.topics {
      guard Int(topic.id.value) == state.topics.count, (1...Limits.partitionsMax).contains(topic.partitions)
      else { throw damaged(start + BatchHeader.bytes, "topic \(topic.name) is declared out of order") }
      state.topics.append(
        .init(
          name: topic.name, partitions: topic.partitions,
          nextOffsets: Array(repeating: 0, count: Int(topic.partitions))))
    }
    for jump in preamble.jumps where !state.jump(jump) {
      throw damaged(start + BatchHeader.bytes, "a gap says that a partition goes on where it cannot")
    }
    try takeRecords(header, bytes, from: start, segment: segment, offset: offset)
    if let producer = preamble.producer { state.producers[producer] = header.sequence.upperBound }
    state.pass(
      header, segment: segment.number, offset: offset, checksum: bytes.number(UInt32.self, at: start + 4))
    guard header.records > 0 else { return false }
    catalog.note(header, at: LogAddress(segment: segment.number, offset: offset), offsets: offsets)
    guard let index else { return false }
    return index.add(identities, keys, at: addresses, reaching: state)
  }

  /// Moves to a segment that has no batches yet; nothing when the state is in it already.
  mutating func enter(_ segment: Segment) {
    guard segment.number > state.segment else { return }
    state.segment = segment.number
    state.offset = UInt64(SegmentHeader.bytes)
  }

  private mutating func takeRecords(
    _ header: BatchHeader, _ bytes: [UInt8], from start: Int, segment: Segment, offset: UInt64
  ) throws(LogError) {
    identities.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
    addresses.removeAll(keepingCapacity: true)
    offsets.removeAll(keepingCapacity: true)
    var at = start + header.recordsStart
    for position in header.basePosition..<header.basePosition + UInt64(header.recordsHeld) {
      let (record, total) = bytes.withUnsafeBytes {
        (RecordLayout.decode($0, at, position, header.recorded), RecordLayout.totalBytes($0, at))
      }
      let here = offset + UInt64(at - start)
      guard let record, Int(record.topic.value) < state.topics.count,
        record.partition < state.topics[Int(record.topic.value)].partitions
      else { throw segment.file.damaged(at: here, "a record is of a topic that was not declared") }
      guard state.take(record.topic, record.partition) == record.offset.value else {
        throw segment.file.damaged(at: here, "offset \(record.offset) is not the next of its partition")
      }
      let envelope = record.envelope
      if index != nil {
        identities.append(log.hash(topic: record.topic, bytes, source: envelope.source, id: envelope.id))
        keys.append(log.hash(topic: record.topic, bytes, key: envelope.key))
        addresses.append(LogAddress(segment: segment.number, offset: here))
      }
      if record.offset.value % options.offsetMarkInterval == 0 {
        let partition = UInt32(record.topic.value) << 16 | UInt32(record.partition)
        offsets.append((partition, .init(offset: record.offset.value, position: position)))
      }
      at += total
    }
  }
}

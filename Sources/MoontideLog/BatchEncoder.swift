import MoontideCore

/// Builds the bytes of one batch in a buffer that is used again. Owned by the appender.
struct BatchEncoder {
  /// Header, preamble and records of the last `encode`; valid up to `count`.
  private(set) var bytes: [UInt8] = []
  private(set) var count = 0
  /// Where each record begins, from the batch's first byte.
  private(set) var recordStarts: [Int] = []

  /// One draft as it will be written.
  struct Placed {
    var draft: Int
    var topic: TopicID
    var partition: UInt16
    var offset: UInt64
  }

  /// A topic that the batch declares.
  struct Declaration {
    var id: TopicID
    var partitions: UInt16
    var name: TopicName
  }

  /// Bytes of a record, or the reason why it cannot be one.
  static func recordBytes(_ envelope: Envelope, defaultTimeBytes: Int) throws(LogError) -> Int {
    func check(_ what: String, _ part: ByteRange, _ limit: Int) throws(LogError) {
      if part.count > limit { throw .tooLarge(what: what, bytes: Int(part.count), limit: limit) }
    }
    try check("id", envelope.id, Limits.identityBytesMax)
    try check("source", envelope.source, Int(UInt16.max))
    try check("type", envelope.type, Limits.typeBytesMax)
    try check("key", envelope.key, Limits.identityBytesMax)
    try check("time", envelope.time, Limits.timeBytesMax)
    let timeBytes = envelope.time.isEmpty ? defaultTimeBytes : Int(envelope.time.count)
    let texts =
      Int(envelope.id.count) + Int(envelope.source.count) + Int(envelope.type.count) + Int(envelope.key.count)
    return RecordLayout.headerBytes + texts + timeBytes + Int(envelope.data.count) + Int(envelope.meta.count)
  }

  /// Encodes; `recordBytes` is the sum over the placed drafts, checked before. `recordedText` stands
  /// for a time that was not given.
  mutating func encode(
    _ header: BatchHeader, producer: ProducerID?, topics: [Declaration], placed: [Placed],
    from batch: DraftBatch, recordBytes: Int, recordedText: [UInt8], log: LogIdentity
  ) {
    let preamble = Self.preamble(producer: producer, topics: topics)
    let recordsStart = BatchHeader.bytes + preamble.count
    count = recordsStart + recordBytes
    bytes.grow(to: count)
    bytes.replaceSubrange(BatchHeader.bytes..<recordsStart, with: preamble)
    recordStarts.removeAll(keepingCapacity: true)
    let end = writeRecords(
      placed, from: batch, at: recordsStart, recorded: header.recorded, recordedText: recordedText)
    precondition(end == count, "the records end at \(end), not at \(count)")

    var sum = CRC32C.checksum(bytes, BatchHeader.bytes..<recordsStart, continuing: log.checksumSeed)
    for (index, start) in recordStarts.enumerated() {
      let recordEnd = index + 1 < recordStarts.count ? recordStarts[index + 1] : count
      bytes.put(CRC32C.checksum(bytes, start + 4..<recordEnd, continuing: log.checksumSeed), at: start)
      sum = CRC32C.checksum(bytes, start..<start + 4, continuing: sum)
    }
    var header = header
    header.bodyBytes = UInt32(count - BatchHeader.bytes)
    header.bodyChecksum = sum
    header.topics = UInt16(topics.count)
    header.producerBytes = UInt16(producer?.text.utf8.count ?? 0)
    header.preambleBytes = UInt32(preamble.count)
    header.encode(into: &bytes, at: 0, log: log)
  }

  /// What stands between a header and the records.
  static func preamble(producer: ProducerID?, topics: [Declaration]) -> [UInt8] {
    var preamble: [UInt8] = []
    if let producer { preamble.append(contentsOf: producer.text.utf8) }
    for topic in topics {
      preamble.add(topic.id.value)
      preamble.add(topic.partitions)
      preamble.add(UInt16(topic.name.text.utf8.count))
      preamble.append(contentsOf: topic.name.text.utf8)
    }
    return preamble
  }

  /// Writes the records one behind the other and says where they end. Copies through raw buffers: this is
  /// the loop that every event passes.
  private mutating func writeRecords(
    _ placed: [Placed], from batch: DraftBatch, at start: Int, recorded: Int64, recordedText: [UInt8]
  ) -> Int {
    let drafts = batch.drafts
    let source = batch.bytes
    var starts = recordStarts
    recordStarts = []
    let end = bytes.withUnsafeMutableBytes { raw in
      source.withUnsafeBytes { source in
        recordedText.withUnsafeBytes { recordedText in
          var at = start
          for (index, place) in placed.enumerated() {
            starts.append(at)
            at = Self.write(
              drafts[place.draft], place, index, to: raw, at: at, source, recorded, recordedText)
          }
          return at
        }
      }
    }
    recordStarts = starts
    return end
  }

  /// Writes one record but for its checksum and says where it ends.
  @inline(__always)
  private static func write(
    _ draft: Draft, _ place: Placed, _ index: Int, to raw: UnsafeMutableRawBufferPointer, at start: Int,
    _ source: UnsafeRawBufferPointer, _ recorded: Int64, _ recordedText: UnsafeRawBufferPointer
  ) -> Int {
    let envelope = draft.envelope
    let isGiven = !envelope.time.isEmpty
    let time = isGiven ? envelope.time : ByteRange(start: 0, count: recordedText.count)
    precondition(start + RecordLayout.headerBytes <= raw.count, "a record begins at \(start) of \(raw.count)")
    raw.put(UInt32(start), at: start + 4)
    raw.put(UInt16(index), at: start + 8)
    raw[start + 10] = envelope.kind.rawValue
    raw[start + 11] = envelope.given.rawValue
    raw.put(place.topic.value, at: start + 12)
    raw.put(place.partition, at: start + 14)
    raw.put((envelope.version & 0xff_ffff) | time.count << 24, at: start + 16)
    raw.put(place.offset, at: start + 20)
    raw.put(envelope.timeMicroseconds == .min ? recorded : envelope.timeMicroseconds, at: start + 28)
    raw.put(draft.body.high, at: start + 36)
    raw.put(draft.body.low, at: start + 44)
    raw.put(UInt16(envelope.id.count), at: start + 52)
    raw.put(UInt16(envelope.source.count), at: start + 54)
    raw.put(UInt16(envelope.type.count), at: start + 56)
    raw.put(UInt16(envelope.key.count), at: start + 58)
    raw.put(envelope.data.count, at: start + 60)
    raw.put(envelope.meta.count, at: start + 64)
    var at = start + RecordLayout.headerBytes
    at = raw.copy(source, envelope.id, to: at)
    at = raw.copy(source, envelope.source, to: at)
    at = raw.copy(source, envelope.type, to: at)
    at = raw.copy(source, envelope.key, to: at)
    at = raw.copy(isGiven ? source : recordedText, time, to: at)
    at = raw.copy(source, envelope.data, to: at)
    return raw.copy(source, envelope.meta, to: at)
  }
}

extension UnsafeMutableRawBufferPointer {
  /// Copies a part and says where it ends.
  @inline(__always)
  fileprivate func copy(_ source: UnsafeRawBufferPointer, _ part: ByteRange, to at: Int) -> Int {
    let count = Int(part.count)
    precondition(part.end <= source.count, "a part ends at \(part.end) of \(source.count) bytes")
    precondition(at + count <= self.count, "a record ends at \(at + count) of \(self.count) bytes")
    if count > 0 {
      (baseAddress! + at).copyMemory(from: source.baseAddress! + Int(part.start), byteCount: count)
    }
    return at + count
  }
}

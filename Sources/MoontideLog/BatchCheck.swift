import MoontideCore

/// Checks the body of a batch.
enum BatchCheck {
  /// What is wrong with the batch at `start`, whose header is sound and whose bytes are all there: the byte,
  /// from the batch's first one, and the reason.
  static func problem(_ bytes: [UInt8], at start: Int, _ header: BatchHeader, log: LogIdentity)
    -> (at: Int, reason: String)?
  {
    let end = start + header.totalBytes
    var at = start + header.recordsStart
    var sum = CRC32C.checksum(bytes, start + BatchHeader.bytes..<at, continuing: log.checksumSeed)
    for index in 0..<header.recordsHeld {
      guard let total = RecordLayout.totalBytes(bytes, at: at, end: end) else {
        return (at - start, "record \(index) of the batch does not fit in it")
      }
      guard RecordLayout.isSound(bytes, at: at, total: total, log: log) else {
        return (at - start, "the checksum of record \(index) of the batch does not match")
      }
      guard bytes.number(UInt32.self, at: at + 4) == UInt32(at - start),
        bytes.number(UInt16.self, at: at + 8) == UInt16(index)
      else { return (at - start, "record \(index) of the batch stands at another place") }
      guard RecordKind(rawValue: bytes[at + 10]) != nil else {
        return (at - start, "record \(index) of the batch has the unknown kind \(bytes[at + 10])")
      }
      sum = CRC32C.checksum(bytes, at..<at + 4, continuing: sum)
      at += total
    }
    guard at == end else { return (at - start, "\(end - at) bytes behind the last record of the batch") }
    guard sum == header.bodyChecksum else {
      return (BatchHeader.bytes, "the checksum of the batch's body does not match")
    }
    return nil
  }

  /// The producer and the topics of the batch at `start`, which is sound, and of a gap where partitions go
  /// on; nil when the preamble contradicts itself.
  static func preamble(_ bytes: [UInt8], at start: Int, _ header: BatchHeader)
    -> (producer: ProducerID?, topics: [BatchEncoder.Declaration], jumps: [LogGap.Jump])?
  {
    var at = start + BatchHeader.bytes
    let end = start + header.recordsStart
    var producer: ProducerID?
    let producerBytes = Int(header.producerBytes)
    guard producerBytes <= 512, at + producerBytes <= end else { return nil }
    if producerBytes > 0 {
      producer = ProducerID(bytes.text(ByteRange(start: at, count: producerBytes)))
      at += producerBytes
    }
    var topics: [BatchEncoder.Declaration] = []
    for _ in 0..<Int(header.topics) {
      guard at + 6 <= end else { return nil }
      let nameBytes = Int(bytes.number(UInt16.self, at: at + 4))
      guard at + 6 + nameBytes <= end,
        let name = TopicName(bytes.text(ByteRange(start: at + 6, count: nameBytes)))
      else { return nil }
      topics.append(
        .init(
          id: TopicID(bytes.number(UInt16.self, at: at)), partitions: bytes.number(UInt16.self, at: at + 2),
          name: name))
      at += 6 + nameBytes
    }
    var jumps: [LogGap.Jump] = []
    while header.kind == .gap, at + LogGap.jumpBytes <= end {
      jumps.append(
        .init(
          partition: bytes.number(UInt32.self, at: at), next: bytes.number(UInt64.self, at: at + 4)))
      at += LogGap.jumpBytes
    }
    return at == end ? (producer, topics, jumps) : nil
  }
}

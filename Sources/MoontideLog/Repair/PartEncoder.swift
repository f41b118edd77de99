import MoontideCore

/// Makes a batch of records that were saved from a damaged one: the same bytes but for the way back to the
/// header, the index and the checksum.
enum PartEncoder {
  /// - Parameter header: base position, number, recorded time, durable ends, kind and sequence; the rest is
  /// set.
  static func encode(
    _ header: BatchHeader, producer: ProducerID?, records: [ArraySlice<UInt8>], log: LogIdentity
  ) -> [UInt8] {
    let preamble = BatchEncoder.preamble(producer: producer, topics: [])
    var bytes = [UInt8](repeating: 0, count: BatchHeader.bytes) + preamble
    var sum = CRC32C.checksum(preamble, 0..<preamble.count, continuing: log.checksumSeed)
    for (index, record) in records.enumerated() {
      let at = bytes.count
      bytes.append(contentsOf: record)
      bytes.put(UInt32(at), at: at + 4)
      bytes.put(UInt16(index), at: at + 8)
      bytes.put(CRC32C.checksum(bytes, at + 4..<bytes.count, continuing: log.checksumSeed), at: at)
      sum = CRC32C.checksum(bytes, at..<at + 4, continuing: sum)
    }
    var header = header
    header.bodyBytes = UInt32(bytes.count - BatchHeader.bytes)
    header.bodyChecksum = sum
    header.records = UInt32(records.count)
    header.topics = 0
    header.producerBytes = UInt16(producer?.text.utf8.count ?? 0)
    header.preambleBytes = UInt32(preamble.count)
    header.sequence = producer == nil ? 0..<0 : header.sequence
    header.encode(into: &bytes, at: 0, log: log)
    return bytes
  }
}

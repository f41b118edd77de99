import MoontideCore

/// What a repair puts in the place of lost batches: positions and batch numbers that nobody will have again,
/// and where partitions go on behind them.
struct LogGap: Sendable, Equatable {
  /// Bytes of a jump in the preamble of a gap.
  static let jumpBytes = 12

  /// Where a partition goes on: topic in the high half, partition in the low one; the next offset.
  struct Jump: Sendable, Equatable {
    var partition: UInt32
    var next: UInt64
  }

  var positions: Range<UInt64>
  var batches: Range<UInt64>
  /// Of the batch before it, as are the durable ends: none of them goes back.
  var recorded: Int64
  var durable: (end: UInt64, batches: UInt64)
  /// Topics whose declarations were lost.
  var topics: [BatchEncoder.Declaration] = []
  var jumps: [UInt32: UInt64] = [:]

  static func == (a: LogGap, b: LogGap) -> Bool {
    a.positions == b.positions && a.batches == b.batches && a.jumps == b.jumps
  }

  /// The bytes of the batch that says so.
  func encoded(_ log: LogIdentity) -> [UInt8] {
    var preamble = BatchEncoder.preamble(producer: nil, topics: topics)
    for (partition, next) in jumps.sorted(by: { $0.key < $1.key }) {
      preamble.add(partition)
      preamble.add(next)
    }
    var header = BatchHeader(
      bodyBytes: UInt32(preamble.count), bodyChecksum: 0, basePosition: positions.lowerBound,
      batch: batches.lowerBound, recorded: recorded, durableEnd: durable.end, durableBatches: durable.batches,
      sequence: batches, records: UInt32(positions.count), topics: UInt16(topics.count), producerBytes: 0,
      preambleBytes: UInt32(preamble.count), kind: .gap)
    header.bodyChecksum = CRC32C.checksum(preamble, 0..<preamble.count, continuing: log.checksumSeed)
    var bytes = [UInt8](repeating: 0, count: BatchHeader.bytes)
    header.encode(into: &bytes, at: 0, log: log)
    return bytes + preamble
  }
}

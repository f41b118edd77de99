import MoontideCore

/// The first 88 bytes of a batch.
///
/// | at | bytes | |
/// | --- | --- | --- |
/// | 0 | 4 | magic `9D 4D 54 42` |
/// | 4 | 4 | CRC32C of the bytes 8 to 87, continuing from the log's seed |
/// | 8 | 4 | body length in bytes |
/// | 12 | 4 | CRC32C of the preamble, then of the checksum of each record, from the log's seed |
/// | 16 | 8 | base position |
/// | 24 | 8 | number of the batch: 0, 1, 2, … over the log |
/// | 32 | 8 | recorded time, microseconds since 1970; never goes back |
/// | 40 | 8 | durable end (position) when it was written |
/// | 48 | 8 | durable batches when it was written |
/// | 56 | 16 | producer's sequence: from, to (exclusive) |
/// | 72 | 4 | records |
/// | 76 | 2 | declared topics |
/// | 78 | 2 | bytes of the producer's id; 0: no producer |
/// | 80 | 4 | bytes of the preamble |
/// | 84 | 4 | kind: 0 whole, 1 part, 2 gap; parts and gaps only in segments of format 2 |
///
/// The body is the preamble (producer's id; then each declared topic: id 2, partitions 2, bytes of name 2,
/// name) and the records, see `RecordLayout`.
///
/// A repair writes the two other kinds (decision 0012). A part is followed by more of the same batch: the
/// next one has its number too. A gap stands for what is lost: `records` positions without a record, and in
/// the place of the sequence the numbers of batches that it takes up. Its preamble ends with where partitions
/// go on, each of them topic 2, partition 2 (as one number of 4, topic high) and next offset 8.
struct BatchHeader: Hashable, Sendable {
  static let bytes = 88
  static let magic: UInt32 = 0x4254_4d9d

  enum Kind: UInt32, Sendable {
    case whole = 0
    case part = 1
    case gap = 2
  }

  var bodyBytes: UInt32
  var bodyChecksum: UInt32
  var basePosition: UInt64
  var batch: UInt64
  var recorded: Int64
  var durableEnd: UInt64
  var durableBatches: UInt64
  var sequence: Range<UInt64>
  var records: UInt32
  var topics: UInt16
  var producerBytes: UInt16
  var preambleBytes: UInt32
  var kind = Kind.whole

  /// The number that the batch behind it has.
  var nextBatch: UInt64 {
    switch kind {
    case .whole: batch + 1
    case .part: batch
    case .gap: sequence.upperBound
    }
  }
  /// Records that are in its body.
  var recordsHeld: Int { kind == .gap ? 0 : Int(records) }
  var endPosition: UInt64 { basePosition + UInt64(records) }
  /// Of header and body.
  var totalBytes: Int { Self.bytes + Int(bodyBytes) }
  var recordsStart: Int { Self.bytes + Int(preambleBytes) }

  func encode(into bytes: inout [UInt8], at: Int, log: LogIdentity) {
    bytes.put(Self.magic, at: at)
    bytes.put(bodyBytes, at: at + 8)
    bytes.put(bodyChecksum, at: at + 12)
    bytes.put(basePosition, at: at + 16)
    bytes.put(batch, at: at + 24)
    bytes.put(recorded, at: at + 32)
    bytes.put(durableEnd, at: at + 40)
    bytes.put(durableBatches, at: at + 48)
    bytes.put(sequence.lowerBound, at: at + 56)
    bytes.put(sequence.upperBound, at: at + 64)
    bytes.put(records, at: at + 72)
    bytes.put(topics, at: at + 76)
    bytes.put(producerBytes, at: at + 78)
    bytes.put(preambleBytes, at: at + 80)
    bytes.put(kind.rawValue, at: at + 84)
    let sum = CRC32C.checksum(bytes, at + 8..<at + Self.bytes, continuing: log.checksumSeed)
    bytes.put(sum, at: at + 4)
  }

  /// The header at `at`, where at least `bytes` must be; nil when its magic number, its checksum or its
  /// numbers are wrong.
  static func decode(_ bytes: [UInt8], at: Int, log: LogIdentity) -> BatchHeader? {
    guard bytes.number(UInt32.self, at: at) == magic,
      bytes.number(UInt32.self, at: at + 4)
        == CRC32C.checksum(bytes, at + 8..<at + Self.bytes, continuing: log.checksumSeed)
    else { return nil }
    guard let kind = Kind(rawValue: bytes.number(UInt32.self, at: at + 84)) else { return nil }
    let from = bytes.number(UInt64.self, at: at + 56)
    let to = bytes.number(UInt64.self, at: at + 64)
    let header = BatchHeader(
      bodyBytes: bytes.number(UInt32.self, at: at + 8), bodyChecksum: bytes.number(UInt32.self, at: at + 12),
      basePosition: bytes.number(UInt64.self, at: at + 16), batch: bytes.number(UInt64.self, at: at + 24),
      recorded: bytes.number(Int64.self, at: at + 32), durableEnd: bytes.number(UInt64.self, at: at + 40),
      durableBatches: bytes.number(UInt64.self, at: at + 48), sequence: from..<max(from, to),
      records: bytes.number(UInt32.self, at: at + 72), topics: bytes.number(UInt16.self, at: at + 76),
      producerBytes: bytes.number(UInt16.self, at: at + 78),
      preambleBytes: bytes.number(UInt32.self, at: at + 80), kind: kind)
    guard from <= to, header.preambleBytes <= header.bodyBytes,
      Int(header.bodyBytes) <= Limits.batchBytesMax, header.recordsHeld <= Limits.batchRecordsMax,
      kind != .gap || from == header.batch
    else { return nil }
    return header
  }
}

import MoontideCore

/// One record: 68 bytes, then id, source, type, key, time, data and meta, one after the other.
///
/// | at | bytes | |
/// | --- | --- | --- |
/// | 0 | 4 | CRC32C of the rest of the record, continuing from the log's seed |
/// | 4 | 4 | bytes back to the header of the batch |
/// | 8 | 2 | index in the batch |
/// | 10 | 1 | kind, see `RecordKind` |
/// | 11 | 1 | which optional fields were given, see `EnvelopeFields` |
/// | 12 | 2 | topic id |
/// | 14 | 2 | partition |
/// | 16 | 3 | version |
/// | 19 | 1 | bytes of time |
/// | 20 | 8 | offset in the partition |
/// | 28 | 8 | instant of `time`, microseconds since 1970 |
/// | 36 | 16 | body digest: high, low |
/// | 52 | 8 | bytes of id, source, type and key, 2 each |
/// | 60 | 8 | bytes of data and meta, 4 each |
///
/// A record carries its own checksum and the way back to its batch, so that one record can be read, proven
/// and placed without the batch around it.
enum RecordLayout {
  static let headerBytes = 68

  /// Of the whole record at `at`, from its lengths alone; `headerBytes` must be there.
  @inline(__always)
  static func totalBytes(_ raw: UnsafeRawBufferPointer, _ at: Int) -> Int {
    let texts =
      Int(raw.number(UInt16.self, at: at + 52)) + Int(raw.number(UInt16.self, at: at + 54))
      + Int(raw.number(UInt16.self, at: at + 56)) + Int(raw.number(UInt16.self, at: at + 58))
    return headerBytes + texts + Int(raw[at + 19]) + Int(raw.number(UInt32.self, at: at + 60))
      + Int(raw.number(UInt32.self, at: at + 64))
  }

  /// How many bytes the record at `at` takes, or nil when fewer than that are in `bytes` up to `end`.
  static func totalBytes(_ bytes: [UInt8], at: Int, end: Int) -> Int? {
    guard at + headerBytes <= end else { return nil }
    let total = bytes.withUnsafeBytes { totalBytes($0, at) }
    return at + total <= end ? total : nil
  }

  static func isSound(_ bytes: [UInt8], at: Int, total: Int, log: LogIdentity) -> Bool {
    bytes.number(UInt32.self, at: at)
      == CRC32C.checksum(bytes, at + 4..<at + total, continuing: log.checksumSeed)
  }

  /// The record at `at`, whose bytes are all there and proven; nil for a kind that is not known.
  @inline(__always)
  static func decode(_ raw: UnsafeRawBufferPointer, _ at: Int, _ position: UInt64, _ recorded: Int64)
    -> Record?
  {
    guard let kind = RecordKind(rawValue: raw[at + 10]) else { return nil }
    var next = at + headerBytes
    func part(_ count: Int) -> ByteRange {
      let range = ByteRange(start: next, count: count)
      next += count
      return range
    }
    let id = part(Int(raw.number(UInt16.self, at: at + 52)))
    let source = part(Int(raw.number(UInt16.self, at: at + 54)))
    let type = part(Int(raw.number(UInt16.self, at: at + 56)))
    let key = part(Int(raw.number(UInt16.self, at: at + 58)))
    let time = part(Int(raw[at + 19]))
    let data = part(Int(raw.number(UInt32.self, at: at + 60)))
    let meta = part(Int(raw.number(UInt32.self, at: at + 64)))
    return Record(
      position: Position(position), offset: Offset(raw.number(UInt64.self, at: at + 20)),
      topic: TopicID(raw.number(UInt16.self, at: at + 12)), partition: raw.number(UInt16.self, at: at + 14),
      recordedMicroseconds: recorded,
      envelope: Envelope(
        kind: kind, given: EnvelopeFields(rawValue: raw[at + 11]),
        version: raw.number(UInt32.self, at: at + 16) & 0xff_ffff,
        timeMicroseconds: raw.number(Int64.self, at: at + 28), id: id, source: source, type: type, key: key,
        time: time, data: data, meta: meta))
  }

  static func body(_ bytes: [UInt8], at: Int) -> Digest {
    Digest(high: bytes.number(UInt64.self, at: at + 36), low: bytes.number(UInt64.self, at: at + 44))
  }
}

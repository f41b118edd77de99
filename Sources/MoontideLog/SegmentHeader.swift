import MoontideCore

/// The first 64 bytes of a segment file.
///
/// | at | bytes | |
/// | --- | --- | --- |
/// | 0 | 8 | `MOONTLOG` |
/// | 8 | 4 | format version: 1, or 2 when a repair wrote parts or gaps, see `BatchHeader` |
/// | 12 | 4 | 0 |
/// | 16 | 16 | log identity: high, low |
/// | 32 | 8 | base position |
/// | 40 | 8 | number of the first batch |
/// | 48 | 12 | 0 |
/// | 60 | 4 | CRC32C of the 60 bytes before |
struct SegmentHeader: Hashable, Sendable {
  static let bytes = 64
  static let magic: UInt64 = 0x474f_4c54_4e4f_4f4d
  /// The newest that is read.
  static let newestVersion: UInt32 = 2

  var log: Digest
  var basePosition: UInt64
  var firstBatch: UInt64
  var version: UInt32 = 1

  func encoded() -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.add(Self.magic)
    bytes.add(version)
    bytes.add(UInt32(0))
    bytes.add(log.high)
    bytes.add(log.low)
    bytes.add(basePosition)
    bytes.add(firstBatch)
    bytes.grow(to: 60)
    bytes.add(CRC32C.checksum(bytes, 0..<60))
    return bytes
  }

  /// Reads the header of `file`.
  static func read(_ file: LogFile) throws(LogError) -> SegmentHeader {
    var bytes = [UInt8](repeating: 0, count: Self.bytes)
    try file.readAll(at: 0, count: Self.bytes, into: &bytes, at: 0)
    return try decode(bytes, of: file)
  }

  /// The header in the first 64 bytes of `file`.
  static func decode(_ bytes: [UInt8], of file: LogFile) throws(LogError) -> SegmentHeader {
    guard bytes.number(UInt64.self, at: 0) == magic else {
      throw file.damaged(at: 0, "a segment begins with MOONTLOG")
    }
    guard bytes.number(UInt32.self, at: 60) == CRC32C.checksum(bytes, 0..<60) else {
      throw file.damaged(at: 0, "the checksum of the segment's header does not match")
    }
    let version = bytes.number(UInt32.self, at: 8)
    guard (1...Self.newestVersion).contains(version) else {
      throw .unsupportedFormat(file: file.path, version: version, supported: Self.newestVersion)
    }
    return SegmentHeader(
      log: Digest(high: bytes.number(UInt64.self, at: 16), low: bytes.number(UInt64.self, at: 24)),
      basePosition: bytes.number(UInt64.self, at: 32), firstBatch: bytes.number(UInt64.self, at: 40),
      version: version)
  }

  /// `00000000000000000042.log`: the base position in 20 digits, so that names sort as positions.
  static func fileName(basePosition: UInt64) -> String {
    let digits = String(basePosition)
    return String(repeating: "0", count: 20 - digits.count) + digits + ".log"
  }
}

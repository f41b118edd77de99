import MoontideCore

/// Reads single records by their address, each proven by its checksum. Owned by one thread.
struct RecordProbe {
  /// Most records fit in one read of this size.
  private static let guessBytes = 1024

  private let catalog: LogCatalog
  private let log: LogIdentity
  /// The record that was loaded last, from byte 0 on.
  private(set) var bytes: [UInt8] = []
  private var headerBytes = [UInt8](repeating: 0, count: BatchHeader.bytes)

  private let places: BatchPlaces?

  /// - Parameter places: what was learned of batches before.
  init(catalog: LogCatalog, log: LogIdentity, places: BatchPlaces? = nil) {
    self.places = places
    self.catalog = catalog
    self.log = log
  }

  /// Loads the record at an address and says how many bytes it takes.
  mutating func load(_ address: LogAddress) throws(LogError) -> Int {
    let segment = try segment(of: address)
    let left = Int(segment.writtenEnd - min(address.offset, segment.writtenEnd))
    guard left >= RecordLayout.headerBytes else {
      throw segment.file.damaged(at: address.offset, "an index names a record where \(left) bytes are left")
    }
    let first = min(left, Self.guessBytes)
    bytes.grow(to: first + Limits.parserPaddingBytes)
    try segment.file.readAll(at: address.offset, count: first, into: &bytes, at: 0)
    let total = bytes.withUnsafeBytes { RecordLayout.totalBytes($0, 0) }
    guard total <= left else {
      throw segment.file.damaged(at: address.offset, "a record of \(total) bytes where \(left) are left")
    }
    if total > first {
      bytes.grow(to: total + Limits.parserPaddingBytes)
      try segment.file.readAll(
        at: address.offset + UInt64(first), count: total - first, into: &bytes, at: first)
    }
    guard RecordLayout.isSound(bytes, at: 0, total: total, log: log) else {
      throw segment.file.damaged(at: address.offset, "the checksum of a record does not match")
    }
    return total
  }

  /// The position and the recorded time of the loaded record.
  mutating func place(_ address: LogAddress) throws(LogError) -> (position: UInt64, recorded: Int64) {
    let segment = try segment(of: address)
    let back = UInt64(bytes.number(UInt32.self, at: 4))
    guard back <= address.offset else {
      throw segment.file.damaged(at: address.offset, "a record \(back) bytes behind its batch")
    }
    let header = LogAddress(address.value - back)
    if let place = places?[header] {
      return (place.position + UInt64(bytes.number(UInt16.self, at: 8)), place.recorded)
    }
    try segment.file.readAll(
      at: address.offset - back, count: BatchHeader.bytes, into: &headerBytes, at: 0)
    guard let found = BatchHeader.decode(headerBytes, at: 0, log: log) else {
      throw segment.file.damaged(at: address.offset - back, "the header of a batch is not sound")
    }
    places?[header] = .init(position: found.basePosition, recorded: found.recorded)
    return (found.basePosition + UInt64(bytes.number(UInt16.self, at: 8)), found.recorded)
  }

  /// The loaded record, its parts in `bytes`.
  func record(position: UInt64, recorded: Int64) -> Record {
    // The kind was known when the checksum was made; another one is a newer format's.
    bytes.withUnsafeBytes { RecordLayout.decode($0, 0, position, recorded) }!
  }

  private func segment(of address: LogAddress) throws(LogError) -> Segment {
    guard let segment = catalog.segment(address.segment) else {
      throw .damaged(
        file: "index", byteOffset: 0, reason: "an index names segment \(address.segment), which is missing")
    }
    return segment
  }
}

import MoontideCore

/// A segment file as a repair finds it.
struct RepairSource {
  var name: String
  var file: LogFile
  var size: UInt64
  /// What its name says.
  var basePosition: UInt64
  /// Nil when it cannot be read, even with one bit put right.
  var header: SegmentHeader?
  /// The header is right only with one bit put right: the byte.
  var corrected: Int?
  /// Where the first sound batch in it begins, when there is one.
  var first: BatchHeader?

  /// Where it begins, and with which batch as far as anything says so.
  var border: (position: UInt64, batch: UInt64?) {
    if let header { return (header.basePosition, header.firstBatch) }
    return (basePosition, first?.basePosition == basePosition ? first?.batch : nil)
  }

  /// All segments, by position.
  static func all(_ directory: LogDirectory, _ log: LogIdentity) throws(LogError) -> [RepairSource] {
    var sources: [RepairSource] = []
    for name in try directory.list().filter({ $0.hasSuffix(".log") && $0.utf8.count == 24 }) {
      let file = try directory.open(name, .read)
      guard let base = UInt64(name.dropLast(4)) else {
        throw file.damaged(at: 0, "the name of a segment is its first position in 20 digits")
      }
      var source = RepairSource(name: name, file: file, size: try file.size(), basePosition: base)
      if let (header, byte) = try header(file, source.size) {
        guard header.log == log.digest else {
          throw file.damaged(at: 16, "the segment belongs to another log: move it away by hand")
        }
        if header.basePosition == base { (source.header, source.corrected) = (header, byte) }
      }
      if source.header == nil {
        var scanner = SegmentScanner(
          file: file, log: log, from: UInt64(SegmentHeader.bytes) - 1, to: source.size)
        if try scanner.resynchronise() { source.first = try scanner.header() }
      }
      sources.append(source)
    }
    return sources
  }

  /// The header of a segment, with one bit put right when that is what it takes.
  private static func header(_ file: LogFile, _ size: UInt64) throws(LogError)
    -> (header: SegmentHeader, corrected: Int?)?
  {
    guard size >= UInt64(SegmentHeader.bytes) else { return nil }
    var bytes = [UInt8](repeating: 0, count: SegmentHeader.bytes)
    try file.readAll(at: 0, count: SegmentHeader.bytes, into: &bytes, at: 0)
    func decoded(_ bytes: [UInt8]) -> SegmentHeader? {
      do throws(LogError) { return try SegmentHeader.decode(bytes, of: file) } catch { return nil }
    }
    do throws(LogError) { return (try SegmentHeader.decode(bytes, of: file), nil) } catch {
      guard case .damaged = error else { throw error }
    }
    guard let bit = SingleBit.correct(&bytes, 0..<SegmentHeader.bytes, until: { decoded($0) != nil }),
      let header = decoded(bytes)
    else { return nil }
    return (header, bit / 8)
  }

  /// Which log it is: what the segments say, or else the checkpoint.
  static func identity(_ root: LogDirectory, _ directory: LogDirectory) throws(LogError) -> LogIdentity {
    for name in try directory.list() where name.hasSuffix(".log") && name.utf8.count == 24 {
      let file = try directory.open(name, .read)
      if let found = try header(file, try file.size()) { return LogIdentity(found.header.log) }
    }
    guard try root.status(LogCheckpoint.fileName) != nil else {
      throw .damaged(
        file: directory.path, byteOffset: 0,
        reason: "no segment has a sound header and there is no checkpoint: nothing says which log it was")
    }
    let file = try root.open(LogCheckpoint.fileName, .read)
    var bytes = [UInt8](repeating: 0, count: Int(try file.size()))
    try file.readAll(at: 0, count: bytes.count, into: &bytes, at: 0)
    guard bytes.count > 32 else { throw file.damaged(at: 0, "the checkpoint is cut") }
    let log = LogIdentity(
      Digest(high: bytes.number(UInt64.self, at: 16), low: bytes.number(UInt64.self, at: 24)))
    guard LogCheckpoint.decode(bytes, log: log) != nil else {
      throw file.damaged(at: 0, "no segment has a sound header, and the checkpoint is damaged too")
    }
    return log
  }

  /// Copies a file; durable when it returns but for its directory entry.
  static func copy(_ file: LogFile, to directory: LogDirectory, as name: String) throws(LogError) {
    try directory.remove(name)
    let copy = try directory.open(name, .create)
    let size = try file.size()
    var buffer = [UInt8](repeating: 0, count: Int(min(size, UInt64(SegmentScanner.windowBytes))))
    var at: UInt64 = 0
    while at < size {
      let count = Int(min(size - at, UInt64(buffer.count)))
      try file.readAll(at: at, count: count, into: &buffer, at: 0)
      try copy.write(buffer, 0..<count, at: at)
      at += UInt64(count)
    }
    try copy.sync()
  }
}

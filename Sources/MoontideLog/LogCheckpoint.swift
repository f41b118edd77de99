import MoontideCore

/// What opening a log would otherwise have to find out by reading it: a point of the log, marks up to it,
/// and the runs that index it. Derived: without it, or when it does not fit the log, everything is rebuilt.
///
/// The file `checkpoint`: magic `MOONTCKP` 8, version 4, CRC32C of the rest from the log's identity on 4,
/// log identity 16, then the fields below in their order, lists with a count of 8 before them, texts with a
/// count of 2. The format version is 2; 1 had no checksums of runs, and one of that is made anew.
struct LogCheckpoint: Sendable {
  static let fileName = "checkpoint"
  private static let version: UInt32 = 2
  private static let magic: UInt64 = 0x504b_4354_4e4f_4f4d

  struct Run: Sendable, Equatable {
    var name: String
    var entries: UInt64
    /// As in the run's header: another run of the same log under this name is not it.
    var checksums: SortedRun.Checksums
  }

  var point: LogPoint
  var marks: [LogCatalog.Mark]
  var offsetMarks: [UInt32: [LogCatalog.OffsetMark]]
  var identityRuns: [Run]
  var keyRuns: [Run]
  /// The number of the next index file.
  var nextFile: UInt64

  func encoded(log: LogIdentity) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.add(Self.magic)
    bytes.add(Self.version)
    bytes.add(UInt32(0))
    bytes.add(log.digest.high)
    bytes.add(log.digest.low)
    bytes.add(point.position)
    bytes.add(point.batch)
    bytes.add(point.recorded)
    bytes.add(UInt64(point.segment))
    bytes.add(point.offset)
    bytes.add(point.lastBatch)
    bytes.add(point.lastChecksum)
    bytes.add(UInt64(point.topics.count))
    for topic in point.topics {
      bytes.addText(topic.name.text)
      bytes.add(topic.partitions)
      for offset in topic.nextOffsets { bytes.add(offset) }
    }
    bytes.add(UInt64(point.producers.count))
    for (producer, end) in point.producers {
      bytes.addText(producer.text)
      bytes.add(end)
    }
    bytes.add(UInt64(marks.count))
    for mark in marks {
      bytes.add(mark.position)
      bytes.add(mark.address.value)
      bytes.add(mark.recorded)
    }
    bytes.add(UInt64(offsetMarks.count))
    for (partition, list) in offsetMarks {
      bytes.add(partition)
      bytes.add(UInt64(list.count))
      for mark in list {
        bytes.add(mark.offset)
        bytes.add(mark.position)
      }
    }
    for runs in [identityRuns, keyRuns] {
      bytes.add(UInt64(runs.count))
      for run in runs {
        bytes.addText(run.name)
        bytes.add(run.entries)
        bytes.add(run.checksums.tail)
        bytes.add(run.checksums.blocks)
      }
    }
    bytes.add(nextFile)
    bytes.put(CRC32C.checksum(bytes, 16..<bytes.count), at: 12)
    return bytes
  }

  /// Nil when the bytes are not a sound checkpoint of this log and version.
  static func decode(_ bytes: [UInt8], log: LogIdentity) -> LogCheckpoint? {
    guard bytes.count > 32, bytes.number(UInt64.self, at: 0) == magic,
      bytes.number(UInt32.self, at: 8) == version,
      bytes.number(UInt32.self, at: 12) == CRC32C.checksum(bytes, 16..<bytes.count),
      bytes.number(UInt64.self, at: 16) == log.digest.high,
      bytes.number(UInt64.self, at: 24) == log.digest.low
    else { return nil }
    // Behind a matching checksum the fields are what `encoded` wrote.
    var reader = CheckpointReader(bytes: bytes, at: 32)
    var point = LogPoint()
    point.position = reader.number(UInt64.self)
    point.batch = reader.number(UInt64.self)
    point.recorded = reader.number(Int64.self)
    point.segment = Int(reader.number(UInt64.self))
    point.offset = reader.number(UInt64.self)
    point.lastBatch = reader.number(UInt64.self)
    point.lastChecksum = reader.number(UInt32.self)
    for _ in 0..<reader.number(UInt64.self) {
      guard let name = TopicName(reader.text()) else { return nil }
      let partitions = reader.number(UInt16.self)
      let offsets = (0..<partitions).map { _ in reader.number(UInt64.self) }
      point.topics.append(.init(name: name, partitions: partitions, nextOffsets: offsets))
    }
    for _ in 0..<reader.number(UInt64.self) {
      let producer = ProducerID(reader.text())
      point.producers[producer] = reader.number(UInt64.self)
    }
    var marks: [LogCatalog.Mark] = []
    for _ in 0..<reader.number(UInt64.self) {
      let position = reader.number(UInt64.self)
      let address = LogAddress(reader.number(UInt64.self))
      marks.append(.init(position: position, address: address, recorded: reader.number(Int64.self)))
    }
    var offsetMarks: [UInt32: [LogCatalog.OffsetMark]] = [:]
    for _ in 0..<reader.number(UInt64.self) {
      let partition = reader.number(UInt32.self)
      offsetMarks[partition] = (0..<reader.number(UInt64.self)).map { _ in
        let offset = reader.number(UInt64.self)
        return .init(offset: offset, position: reader.number(UInt64.self))
      }
    }
    let identityRuns = reader.runs()
    let keyRuns = reader.runs()
    return LogCheckpoint(
      point: point, marks: marks, offsetMarks: offsetMarks, identityRuns: identityRuns, keyRuns: keyRuns,
      nextFile: reader.number(UInt64.self))
  }

  /// Whether the log still holds what the checkpoint was made from.
  func fits(_ catalog: LogCatalog, _ log: LogIdentity) throws(LogError) -> Bool {
    guard let segment = catalog.segment(point.segment), point.offset <= segment.writtenEnd else {
      return false
    }
    let address = LogAddress(point.lastBatch)
    guard point.lastBatch != 0 else { return point.batch == 0 }
    guard let last = catalog.segment(address.segment),
      address.offset + UInt64(BatchHeader.bytes) <= last.writtenEnd
    else { return false }
    var bytes = [UInt8](repeating: 0, count: BatchHeader.bytes)
    try last.file.readAll(at: address.offset, count: BatchHeader.bytes, into: &bytes, at: 0)
    guard let header = BatchHeader.decode(bytes, at: 0, log: log) else { return false }
    return header.batch + 1 == point.batch && header.endPosition == point.position
      && bytes.number(UInt32.self, at: 4) == point.lastChecksum
  }

  /// Writes it beside and swaps it in; durable when it returns.
  func write(in directory: LogDirectory, log: LogIdentity) throws(LogError) {
    let beside = Self.fileName + ".new"
    let bytes = encoded(log: log)
    try directory.remove(beside)
    let file = try directory.open(beside, .create)
    try file.write(bytes, 0..<bytes.count, at: 0)
    try file.sync()
    CrashPoint.reach(.duringCheckpoint)
    try directory.rename(beside, to: Self.fileName)
    CrashPoint.reach(.afterCheckpoint)
    try directory.sync()
  }

  /// The checkpoint in a directory, or nil when there is no sound one.
  static func read(in directory: LogDirectory, log: LogIdentity) throws(LogError) -> LogCheckpoint? {
    guard try directory.status(fileName) != nil else { return nil }
    let file = try directory.open(fileName, .read)
    let size = Int(try file.size())
    var bytes = [UInt8](repeating: 0, count: size)
    try file.readAll(at: 0, count: size, into: &bytes, at: 0)
    return decode(bytes, log: log)
  }
}

extension [UInt8] {
  fileprivate mutating func addText(_ text: String) {
    add(UInt16(text.utf8.count))
    append(contentsOf: text.utf8)
  }
}

private struct CheckpointReader {
  let bytes: [UInt8]
  var at: Int

  mutating func number<T: FixedWidthInteger & BitwiseCopyable>(_ type: T.Type) -> T {
    defer { at += MemoryLayout<T>.size }
    return bytes.number(type, at: at)
  }

  mutating func text() -> String {
    let count = Int(number(UInt16.self))
    defer { at += count }
    return bytes.text(ByteRange(start: at, count: count))
  }

  mutating func runs() -> [LogCheckpoint.Run] {
    (0..<number(UInt64.self)).map { _ in
      let name = text()
      let entries = number(UInt64.self)
      let tail = number(UInt32.self)
      let checksums = SortedRun.Checksums(tail: tail, blocks: number(UInt32.self))
      return .init(name: name, entries: entries, checksums: checksums)
    }
  }
}

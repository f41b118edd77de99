public import MoontideCore
import Synchronization

/// A log as it stands, for reading only: beside the process that appends to it, or of one that is not
/// running. Takes no lock, changes nothing, and sees what was there when it was opened: to fold it afresh,
/// to check and to copy it. It has no indexes: what is found by identity or key is found by reading on. Any
/// thread.
public final class LogReader: OutlinedLog {
  public let durableEnd: Position
  /// Bytes behind the last whole batch, which nothing says were ever durable.
  public let tornTailBytes: UInt64
  private let log: LogIdentity
  private let catalog = LogCatalog(options: LogOptions())
  /// Where segments begin that a repair has changed, and their bytes when they are full.
  private let repairs: [(position: UInt64, bytes: UInt64)]
  private let state: LogPoint

  /// Opens what is in `directory`.
  /// - Parameters:
  ///   - end: nothing at or after this position is shown.
  ///   - trusting: what a checkpoint that fits the log covers is not read, which takes milliseconds;
  ///     otherwise all of the log is read once. Either way a record is proven by its checksum whenever it
  ///     is read.
  /// - Throws: `damaged` with file and byte, `unsupportedFormat`, or `file`.
  public init(
    directory: String, files: any FileSystem, before end: Position? = nil, trusting: Bool = false
  ) throws(LogError) {
    let root = LogDirectory(files: files, path: directory)
    let folder = LogDirectory(files: files, path: directory + "/segments")
    guard let first = try Self.names(folder).first else {
      throw .damaged(file: folder.path, byteOffset: 0, reason: "there is no segment")
    }
    let log = LogIdentity(try SegmentHeader.read(try folder.open(first, .read)).log)
    // Read before the segments are: what it covers was in them then.
    let checkpoint = try LogCheckpoint.read(in: root, log: log)
    let witness = checkpoint.map(LogWitness.init)
    let segments = try Self.segments(folder, log, into: catalog)
    repairs = segments.filter { $0.segment.isRepaired }.map { segment, isLast in
      (segment.basePosition, isLast ? 0 : segment.writtenEnd)
    }
    var start = LogPoint()
    start.offset = UInt64(SegmentHeader.bytes)
    if trusting, let checkpoint, try checkpoint.fits(catalog, log) {
      start = checkpoint.point
      catalog.restore(marks: checkpoint.marks, offsetMarks: checkpoint.offsetMarks)
    }
    var replay = LogReplay(state: start, log: log, index: nil, catalog: catalog, options: LogOptions())
    var torn: UInt64 = 0
    for (segment, isLast) in segments[start.segment...] {
      if segment.number > start.segment || start.batch == 0 {
        guard segment.basePosition == replay.state.position, segment.firstBatch == replay.state.batch else {
          throw segment.file.damaged(
            at: 32,
            "the segment begins at \(Position(segment.basePosition)), the one before it ends at "
              + "\(Position(replay.state.position))")
        }
      }
      replay.enter(segment)
      torn = try Self.read(segment, from: replay.state.offset, isLast: isLast, witness, &replay)
    }
    if let witness, witness.batch > replay.state.batch {
      throw segments[segments.count - 1].segment.file.damaged(
        at: replay.state.offset, witness.reason(endsAt: replay.state.position))
    }
    self.log = log
    state = replay.state
    tornTailBytes = torn
    durableEnd = min(end ?? Position(state.position), Position(state.position))
  }

  private static func names(_ folder: LogDirectory) throws(LogError) -> [String] {
    try folder.list().filter { $0.hasSuffix(".log") && $0.utf8.count == 24 }
  }

  /// Opens all segments; the last one of the folder may have a torn tail.
  private static func segments(
    _ folder: LogDirectory, _ log: LogIdentity, into catalog: LogCatalog
  ) throws(LogError) -> [(segment: Segment, isLast: Bool)] {
    let names = try names(folder)
    var segments: [(segment: Segment, isLast: Bool)] = []
    for (number, name) in names.enumerated() {
      let isLast = number == names.count - 1
      let file = try folder.open(name, .read)
      let size = try file.size()
      // Begun by the other process a moment ago, or by one that was killed: nothing is in it.
      if isLast, number > 0, size <= UInt64(SegmentHeader.bytes) { break }
      let header = try SegmentHeader.read(file)
      guard header.log == log.digest else { throw file.damaged(at: 16, "the segment belongs to another log") }
      let segment = Segment(number: number, header: header, file: file, end: size)
      catalog.add(segment)
      segments.append((segment, isLast))
    }
    return segments
  }

  /// Takes all batches of a segment from `start` on; returns the bytes behind the last whole one.
  private static func read(
    _ segment: Segment, from start: UInt64, isLast: Bool, _ witness: LogWitness?, _ replay: inout LogReplay
  ) throws(LogError) -> UInt64 {
    let size = segment.writtenEnd
    var scanner = SegmentScanner(file: segment.file, log: replay.log, from: start, to: size)
    while true {
      switch try scanner.next() {
      case .end: return 0
      case .batch(let header, let offset, let start):
        _ = try replay.take(header, scanner.buffer, at: start, segment: segment, offset: offset)
      case .bad(let offset, let reason):
        let tail = scanner.offset
        guard isLast, try scanner.isTorn(next: replay.state.batch, witness: witness) else {
          throw segment.file.damaged(at: offset, reason)
        }
        segment.end.store(tail, ordering: .releasing)
        return size - tail
      }
    }
  }

  /// The random bits that the log was born with, in 32 hexadecimal digits.
  public var identity: String { log.digest.description }

  public var digest: Digest { log.digest }

  /// How many bytes the log has.
  public var bytes: UInt64 { catalog.allSegments.reduce(0) { $0 + $1.writtenEnd } }

  /// The mark of the log, as `SegmentedLog` has it.
  public var mark: Int32 { log.mark }

  /// The files of the log up to its last whole batch, in order: names below the log's directory, and how many
  /// of their bytes belong to it. They never change, but for the removal of the whole log.
  public func files() -> [(name: String, bytes: UInt64)] {
    catalog.allSegments.map {
      ("segments/" + SegmentHeader.fileName(basePosition: $0.basePosition), $0.writtenEnd)
    }
  }

  private static let refusal = LogError.readOnly(reason: "it was opened for reading only")

  public func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome { throw Self.refusal }
  public func flush() throws(LogError) -> Position { durableEnd }

  public func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  {
    batch.records.removeAll(keepingCapacity: true)
    batch.bytes.grow(to: Limits.parserPaddingBytes)
    guard
      var read = SequentialRead(from: start.value, before: durableEnd.value, catalog: catalog, log: log)
    else { return start }
    return Position(try read.run(records: records, bytes: bytes, into: batch))
  }

  public func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    let part = ByteRange(start: 0, count: key.count)
    var found = 0
    let kept = RecordBatch()
    kept.removeAll()
    try forEach { record, source in
      guard record.topic == topic, source.equals(record.envelope.key, key, part) else { return true }
      found += 1
      if found > version { kept.append(record, from: source) }
      return kept.records.count < records && kept.bytes.count < max(1, bytes)
    }
    batch.removeAll()
    for record in kept.records { batch.append(record, from: kept.bytes) }
    batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    return version + kept.records.count
  }

  public func position(of place: LogPlace) throws(LogError) -> Position? {
    let search = PlaceSearch(catalog: catalog, log: log, end: durableEnd)
    switch place {
    case .offset(let topic, let partition, let offset):
      return try search.position(topic, partition, offset)
    case .recorded(let time): return try search.position(recorded: time)
    case .identity(let topic, let source, let id):
      var found: Position?
      try forEach { record, bytes in
        let isIt =
          record.topic == topic && Array(bytes[record.envelope.source.indices]) == source
          && Array(bytes[record.envelope.id.indices]) == id
        if isIt { found = record.position }
        return !isIt
      }
      return found
    }
  }

  public func fingerprint(before position: Position) throws(LogError) -> Digest? {
    try fingerprint(before: position, repairs: repairs)
  }

  /// Hands over record after record until `body` answers false.
  private func forEach(_ body: (Record, [UInt8]) -> Bool) throws(LogError) {
    let batch = RecordBatch()
    var next = Position.start
    while true {
      let after = try read(
        from: next, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      for record in batch.records { if !body(record, batch.bytes) { return } }
      if after == next { return }
      next = after
    }
  }

  public func topics() -> [TopicDescription] { state.topics.indices.map { state.describe($0) } }

  public func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    guard let known = state.topicIndex(name) else { throw Self.refusal }
    return state.describe(known)
  }

  public func sequenceEnd(of producer: ProducerID) -> UInt64? { state.producers[producer] }

  /// Never blocks: nothing comes.
  public func wait(past position: Position, for timeout: Duration) -> Bool { durableEnd > position }
}

public import MoontideCore

/// The durable partitioned log, in a directory of its own: `segments/` holds what was appended, `index/` and
/// `checkpoint` what follows from it and can be deleted. One process opens it at a time; any of its threads
/// calls it.
///
/// A segment file is a `SegmentHeader`, then batches: a `BatchHeader`, a preamble, and records as
/// `RecordLayout` has them; their tables are the format. Records are never rewritten.
public final class SegmentedLog: EventLog {
  /// What opening found.
  public let recovery: LogRecovery
  /// Drives sealing and merging of the indexes: give it a thread of its own, or none.
  public let maintainer: IndexMaintainer

  private let log: LogIdentity
  private let catalog: LogCatalog
  private let index: LogIndex
  private let commit: GroupCommit
  private let appender: LogAppender
  private let places = BatchPlaces()

  /// Opens the log in `directory`, or begins one; drops a torn tail and rebuilds what is missing of the
  /// indexes.
  /// - Throws: `damaged` with file and byte for damage before the torn tail, `unsupportedFormat` for a log
  ///   of a newer version, `file` for what the file system refuses.
  public init(
    directory: String, files: any FileSystem, clock: any WallClock, randomness: any Randomness,
    options: LogOptions = LogOptions()
  ) throws(LogError) {
    let opening = LogOpening(
      root: LogDirectory(files: files, path: directory), options: options, randomness: randomness)
    let opened = try opening.open()
    recovery = opened.recovery
    maintainer = opened.maintainer
    log = opened.log
    catalog = opened.catalog
    index = opened.index
    commit = opened.commit
    appender = LogAppender(opened, segments: opening.segmentDirectory, clock: clock, options: options)
  }

  /// The random bits that this log was born with, in 32 hexadecimal digits.
  public var identity: String { log.digest.description }

  public var digest: Digest { log.digest }

  /// Where segments begin that a repair has changed, and their bytes when they are full.
  var repairs: [(position: UInt64, bytes: UInt64)] {
    let segments = catalog.allSegments
    return segments.filter(\.isRepaired).map {
      ($0.basePosition, $0.number == segments.count - 1 ? 0 : $0.writtenEnd)
    }
  }

  /// 31 bits of the identity, never 0: what other files say to which log they belong.
  public var mark: Int32 { log.mark }

  public func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome {
    let outcome: AppendOutcome
    do { outcome = try appender.append(request) } catch { throw try distrusting(error) }
    // Without a background the work is done here; its failure is kept by the maintainer and tried again.
    while index.frozenCount > Limits.indexFrozenMax, maintainer.step() == .progressed {}
    return outcome
  }

  /// The same error; when it is damage of an index, the next opening will build it anew.
  private func distrusting(_ error: LogError) throws(LogError) -> LogError {
    if case .damaged(let file, _, _) = error, index.isRun(file) { try maintainer.distrust() }
    return error
  }

  @discardableResult public func flush() throws(LogError) -> Position { try commit.flush() }

  public var durableEnd: Position { commit.durableEnd }

  public func topics() -> [TopicDescription] { appender.topics() }

  public func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    try appender.topic(name, partitions: partitions)
  }

  public func sequenceEnd(of producer: ProducerID) -> UInt64? { appender.sequenceEnd(of: producer) }

  public func wait(past position: Position, for timeout: Duration) -> Bool {
    commit.wait(past: position, for: timeout)
  }

  /// Makes everything durable, writes the indexes down, and takes nothing from then on. Without it the next
  /// opening reads what the last checkpoint does not cover.
  public func close() throws(LogError) {
    let end = appender.stop()
    try commit.flush()
    try maintainer.close(reaching: end)
  }

  /// How large everything is at the moment.
  public func statistics() -> LogStatistics {
    let segments = catalog.allSegments
    let runs = index.runs(.identities) + index.runs(.keys)
    return LogStatistics(
      segments: segments.count, segmentBytes: segments.reduce(0) { $0 + $1.writtenEnd },
      indexRuns: runs.count,
      indexBytes: runs.reduce(0) { $0 + $1.fileBytes })
  }

  public func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position
  {
    batch.records.removeAll(keepingCapacity: true)
    batch.bytes.grow(to: Limits.parserPaddingBytes)
    guard
      var read = SequentialRead(
        from: start.value, before: durableEnd.value, catalog: catalog, log: log)
    else { return start }
    return Position(try read.run(records: records, bytes: bytes, into: batch))
  }

  public func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    batch.removeAll()
    let part = ByteRange(start: 0, count: key.count)
    let addresses: [LogAddress]
    do {
      var entries = try index.find(key: log.hash(topic: topic, key, key: part))
      addresses = try entries.addresses(from: version, limit: records)
    } catch { throw try distrusting(error) }
    let end = durableEnd.value
    var probe = RecordProbe(catalog: catalog, log: log, places: places)
    var next = version
    for address in addresses {
      // At least one, whatever its size.
      if batch.bytes.count >= max(1, bytes) { break }
      let total = try probe.load(address)
      let place = try probe.place(address)
      if place.position >= end { break }
      var record = probe.record(position: place.position, recorded: place.recorded)
      next += 1
      guard record.topic == topic, probe.bytes.equals(record.envelope.key, key, part) else { continue }
      record.envelope.move(by: batch.bytes.count)
      batch.bytes.append(contentsOf: probe.bytes[0..<total])
      batch.records.append(record)
    }
    batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    return next
  }

  public func position(of place: LogPlace) throws(LogError) -> Position? {
    switch place {
    case .identity(let topic, let source, let id): try find(topic, source: source, id: id)
    case .offset(let topic, let partition, let offset):
      try PlaceSearch(catalog: catalog, log: log, end: durableEnd).position(topic, partition, offset)
    case .recorded(let time):
      try PlaceSearch(catalog: catalog, log: log, end: durableEnd).position(recorded: time)
    }
  }

  private func find(_ topic: TopicID, source: [UInt8], id: [UInt8]) throws(LogError) -> Position? {
    let bytes = source + id
    let sourcePart = ByteRange(start: 0, count: source.count)
    let idPart = ByteRange(start: source.count, count: id.count)
    var probe = RecordProbe(catalog: catalog, log: log)
    for address in try index.find(
      identity: log.hash(topic: topic, bytes, source: sourcePart, id: idPart))
    {
      _ = try probe.load(address)
      let record = probe.record(position: 0, recorded: 0)
      guard record.topic == topic, probe.bytes.equals(record.envelope.source, bytes, sourcePart),
        probe.bytes.equals(record.envelope.id, bytes, idPart)
      else { continue }
      let position = try probe.place(address).position
      return position < durableEnd.value ? Position(position) : nil
    }
    return nil
  }
}

extension Envelope {
  /// The same parts of a buffer where they lie `bytes` further on.
  fileprivate mutating func move(by bytes: Int) {
    let shift = UInt32(bytes)
    id.start += shift
    source.start += shift
    type.start += shift
    key.start += shift
    time.start += shift
    data.start += shift
    meta.start += shift
  }
}

import MoontideCore
import Synchronization

/// The one who writes: everything an append decides and does, under one lock for a whole batch.
///
/// `@unchecked Sendable`: everything mutable is guarded by `gate`.
final class LogAppender: @unchecked Sendable {
  private let gate = Gate()
  private let log: LogIdentity
  private let index: LogIndex
  private let catalog: LogCatalog
  private let commit: GroupCommit
  private let segmentDirectory: LogDirectory
  private let clock: any WallClock
  private let options: LogOptions

  private var state: LogPoint
  private var segment: Segment
  private var isStopped = false
  private var encoder = BatchEncoder()
  private var check: IdentityCheck
  private var placed: [BatchEncoder.Placed] = []
  private var entries = BatchEntries()
  private var versions = VersionCache()

  init(_ opened: LogOpening.Opened, segments: LogDirectory, clock: any WallClock, options: LogOptions) {
    log = opened.log
    index = opened.index
    catalog = opened.catalog
    commit = opened.commit
    segmentDirectory = segments
    self.clock = clock
    self.options = options
    state = opened.state
    segment = opened.catalog.allSegments.last!
    check = IdentityCheck(log: opened.log, index: opened.index, catalog: opened.catalog)
  }

  /// Takes nothing from now on, and says where the log ends.
  func stop() -> LogPoint {
    gate.lock()
    defer { gate.unlock() }
    isStopped = true
    return state
  }

  private func checkOpen() throws(LogError) {
    if isStopped { throw .readOnly(reason: "the log is closed") }
    if let reason = commit.readOnlyReason { throw .readOnly(reason: reason) }
  }

  func topics() -> [TopicDescription] {
    gate.lock()
    defer { gate.unlock() }
    return state.topics.indices.map { state.describe($0) }
  }

  func sequenceEnd(of producer: ProducerID) -> UInt64? {
    gate.lock()
    defer { gate.unlock() }
    return state.producers[producer]
  }

  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription {
    gate.lock()
    defer { gate.unlock() }
    let id = try declare(name, partitions: partitions)
    return state.describe(Int(id.value))
  }

  /// The topic of that name; a new one is declared by a batch of its own.
  private func declare(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicID {
    if let known = state.topicIndex(name) {
      let has = state.topics[known].partitions
      if let partitions, partitions != has {
        throw .partitionCount(topic: name, has: has, asked: partitions)
      }
      return TopicID(UInt16(known))
    }
    try checkOpen()
    guard state.topics.count < Limits.topicsMax else { throw .tooManyTopics(limit: Limits.topicsMax) }
    let count = partitions ?? Limits.partitionsDefault
    guard (1...Limits.partitionsMax).contains(count) else {
      throw .tooLarge(what: "partition count", bytes: Int(count), limit: Int(Limits.partitionsMax))
    }
    let id = TopicID(UInt16(state.topics.count))
    placed.removeAll(keepingCapacity: true)
    try write(
      DraftBatch(), recordBytes: 0, progress: nil, topics: [.init(id: id, partitions: count, name: name)],
      recorded: recordedNow(), recordedText: [])
    state.topics.append(
      .init(name: name, partitions: count, nextOffsets: Array(repeating: 0, count: Int(count))))
    return id
  }

  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome {
    gate.lock()
    defer { gate.unlock() }
    try checkOpen()
    let drafts = request.batch.drafts
    guard drafts.count <= Limits.batchRecordsMax else {
      throw .tooLarge(what: "batch (records)", bytes: drafts.count, limit: Limits.batchRecordsMax)
    }
    if let progress = request.progress, let end = state.producers[progress.producer] {
      if progress.sequence.upperBound <= end {
        return .alreadyWritten(durableWhen: Position(state.position))
      }
      if progress.sequence.lowerBound != end {
        throw .sequenceGap(
          producer: progress.producer, expected: end, got: progress.sequence.lowerBound)
      }
    }
    if let expected = request.expected {
      let part = ByteRange(start: 0, count: expected.key.count)
      let hash = log.hash(topic: expected.topic, expected.key, key: part)
      let version: Int
      if let known = versions[hash] { version = known } else { version = try index.find(key: hash).count }
      versions.learn(hash, version)
      if version != expected.version { return .unexpectedVersion(actual: version) }
    }
    var quarantine: TopicID?
    if drafts.contains(where: { $0.envelope.kind == .quarantine }) {
      quarantine = try declare(.quarantine, partitions: state.topicIndex(.quarantine) == nil ? 1 : nil)
    }
    try check.run(request.batch, quarantine: quarantine)
    if !check.conflicts.isEmpty { return .conflicts(check.conflicts) }
    let fresh = drafts.count - check.repeats
    if fresh == 0, request.progress == nil {
      return .written(
        .init(
          first: Position(state.position), count: 0, repeats: check.repeats,
          durableWhen: Position(state.position)))
    }
    let recorded = recordedNow()
    let text = Array(EventTime(microseconds: recorded).description.utf8)
    let first = state.position
    let bytes = try place(request.batch, quarantine: quarantine, recordedTextBytes: text.count)
    do {
      try write(
        request.batch, recordBytes: bytes, progress: request.progress, topics: [], recorded: recorded,
        recordedText: text)
    } catch {
      for place in placed { state.topics[Int(place.topic.value)].nextOffsets[Int(place.partition)] -= 1 }
      throw error
    }
    return .written(
      .init(
        first: Position(first), count: fresh, repeats: check.repeats, durableWhen: Position(state.position)))
  }

  private func recordedNow() -> Int64 { max(clock.now.microseconds, state.recorded) }

  /// Gives the new drafts their partitions and offsets, and says how many bytes they take.
  private func place(_ batch: DraftBatch, quarantine: TopicID?, recordedTextBytes: Int) throws(LogError)
    -> Int
  {
    placed.removeAll(keepingCapacity: true)
    // Into locals: what a class holds is checked for exclusive access at each look.
    let drafts = batch.drafts
    let source = batch.bytes
    let fresh = check.fresh
    var bytes = BatchHeader.bytes
    for number in fresh {
      bytes += try BatchEncoder.recordBytes(drafts[number].envelope, defaultTimeBytes: recordedTextBytes)
    }
    guard bytes <= Limits.batchBytesMax else {
      throw .tooLarge(what: "batch", bytes: bytes, limit: Limits.batchBytesMax)
    }
    func give(_ state: inout LogPoint, _ placed: inout [BatchEncoder.Placed]) {
      for number in fresh {
        let topic = IdentityCheck.topic(of: drafts[number], quarantine: quarantine)
        precondition(Int(topic.value) < state.topics.count, "topic \(topic.value) of \(state.topics.count)")
        let partition = Partitioner.partition(
          source, drafts[number].envelope.key, of: state.topics[Int(topic.value)].partitions)
        placed.append(
          .init(draft: number, topic: topic, partition: partition, offset: state.take(topic, partition)))
      }
    }
    give(&state, &placed)
    return bytes - BatchHeader.bytes
  }

  /// Writes one batch of what is placed and takes it into the state; after an error the log is as before.
  private func write(
    _ batch: DraftBatch, recordBytes: Int, progress: (producer: ProducerID, sequence: Range<UInt64>)?,
    topics: [BatchEncoder.Declaration], recorded: Int64, recordedText: [UInt8]
  ) throws(LogError) {
    let durable = commit.durablePoint
    let header = BatchHeader(
      bodyBytes: 0, bodyChecksum: 0, basePosition: state.position, batch: state.batch, recorded: recorded,
      durableEnd: durable.position, durableBatches: durable.batches, sequence: progress?.sequence ?? 0..<0,
      records: UInt32(placed.count), topics: 0, producerBytes: 0, preambleBytes: 0)
    encoder.encode(
      header, producer: progress?.producer, topics: topics, placed: placed, from: batch,
      recordBytes: recordBytes, recordedText: recordedText, log: log)
    try rollIfFull(UInt64(encoder.count))
    let offset = segment.writtenEnd
    CrashPoint.reach(.beforeAppend)
    do {
      try segment.file.write(encoder.bytes, 0..<encoder.count, at: offset)
    } catch {
      do {
        try segment.file.truncate(to: offset)
      } catch let second {
        commit.fail("a failed write to \(segment.file.path) could not be taken back: \(second.reason)")
      }
      throw error
    }
    CrashPoint.reach(.afterAppend)
    take(batch, offset, progress)
  }

  /// Takes the written batch at `offset` into everything that follows from the log.
  private func take(
    _ batch: DraftBatch, _ offset: UInt64, _ progress: (producer: ProducerID, sequence: Range<UInt64>)?
  ) {
    // It was encoded a moment ago; what comes out is what went in, with the lengths.
    let header = BatchHeader.decode(encoder.bytes, at: 0, log: log)!
    segment.end.store(offset + UInt64(encoder.count), ordering: .releasing)
    state.pass(
      header, segment: segment.number, offset: offset, checksum: encoder.bytes.number(UInt32.self, at: 4))
    if let progress { state.producers[progress.producer] = progress.sequence.upperBound }
    if !placed.isEmpty {
      entries.fill(
        placed, from: batch, check.hashes, starts: encoder.recordStarts, base: header.basePosition,
        at: LogAddress(segment: segment.number, offset: offset), log: log,
        markInterval: options.offsetMarkInterval)
      catalog.note(header, at: LogAddress(segment: segment.number, offset: offset), offsets: entries.offsets)
      _ = index.add(
        entries.identities, entries.keys, at: entries.addresses, reaching: state)
      if !versions.isEmpty { for key in entries.keys { versions.count(key) } }
    }
    commit.advance(.init(file: segment.file, position: state.position, batches: state.batch))
  }

  /// Begins a new segment when this one has no room. The old one is durable first, so that only the last
  /// can have a torn tail. A segment without positions goes on: its name would be the same.
  private func rollIfFull(_ bytes: UInt64) throws(LogError) {
    guard segment.writtenEnd + bytes > options.segmentBytesMax, state.position > segment.basePosition else {
      return
    }
    try commit.flush()
    do {
      segment = try SegmentCreation.create(
        number: segment.number + 1, at: state, in: segmentDirectory, log: log)
    } catch {
      // The old segment may go on; then nothing may say that a new one begins here.
      do { try SegmentCreation.takeBack(at: state, in: segmentDirectory) } catch let second {
        commit.fail("a segment that could not be begun could not be removed: \(second.reason)")
      }
      throw error
    }
    catalog.add(segment)
  }
}

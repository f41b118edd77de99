import MoontideCore

/// The state of a verification on its way through the segments.
struct VerifyWalk {
  private let log: LogIdentity
  private let catalog = LogCatalog(options: LogOptions())
  private var batch: UInt64 = 0
  private var position: UInt64 = 0
  private var recorded = Int64.min
  private var durableEnd: UInt64 = 0
  private var durableBatches: UInt64 = 0
  /// Partitions of each declared topic; a topic whose declaration was lost in damage is missing.
  private var partitions: [TopicID: UInt16] = [:]
  /// The next offset by topic and partition; missing until one was seen behind damage.
  private var nextOffsets: [UInt32: UInt64] = [:]
  /// Whether something before was lost, so that gaps say nothing new.
  private var isGapKnown = false
  private var wasDamaged = false
  private var identities: [IndexEntry] = []
  private var done: UInt64 = 0
  /// Where the last sound batch ended in its segment.
  private var lastEnd = UInt64(SegmentHeader.bytes)

  private let witness: LogWitness?

  init(log: LogIdentity, witness: LogWitness? = nil) {
    self.log = log
    self.witness = witness
  }

  /// Behind the last segment: whether the log is as long as it is known to have been.
  mutating func end(_ file: LogFile, _ report: inout LogVerifier.Report) {
    report.end = Position(position)
    report.durableEnd = Position(max(durableEnd, witness?.position ?? 0))
    if let witness, witness.batch > batch, !isGapKnown {
      report.add(file, lastEnd, witness.reason(endsAt: position))
    }
  }

  /// Walks one segment; without a header, from where the first batch must be.
  mutating func walk(
    _ found: LogVerifier.Found, _ number: Int, isLast: Bool, _ report: inout LogVerifier.Report,
    progress: (UInt64) -> Void
  ) throws(LogError) {
    let (file, size) = (found.file, found.size)
    let base =
      found.header ?? SegmentHeader(log: log.digest, basePosition: position, firstBatch: batch)
    catalog.add(Segment(number: number, header: base, file: file, end: size))
    if base.log != log.digest { report.add(file, 16, "the segment belongs to another log") }
    if !isGapKnown, base.basePosition != position || base.firstBatch != batch {
      report.add(
        file, 32,
        "the segment begins at \(Position(base.basePosition)), the one before it ends at "
          + "\(Position(position))"
      )
      isGapKnown = true
      wasDamaged = true
      nextOffsets.removeAll()
    }
    var scanner = SegmentScanner(file: file, log: log, from: UInt64(SegmentHeader.bytes), to: size)
    while true {
      switch try scanner.next() {
      case .end:
        done += size
        report.bytes += size
        progress(done)
        return
      case .batch(let header, let offset, let start):
        take(header, scanner.buffer, at: start, file, number, offset, &report)
        if header.batch % 64 == 0 { progress(done + offset) }
      case .bad(let place, let reason):
        let from = scanner.offset
        // In the last segment what nothing later calls durable is a tail that opening would drop.
        var isTorn = isLast && (witness?.batch ?? 0) <= batch
        var next: UInt64?
        while isTorn || next == nil {
          guard try scanner.resynchronise() else { break }
          next = next ?? scanner.offset
          if let header = try scanner.header(), header.durableBatches > batch { isTorn = false }
        }
        if isTorn {
          report.tornTailBytes += size - from
          report.tornTail = .init(file: file.path, byteOffset: from, reason: reason)
          scanner.offset = size
          continue
        }
        report.add(file, place, reason)
        isGapKnown = true
        wasDamaged = true
        nextOffsets.removeAll()
        scanner.offset = next ?? size
      }
    }
  }

  private mutating func take(
    _ header: BatchHeader, _ bytes: [UInt8], at start: Int, _ file: LogFile, _ number: Int, _ offset: UInt64,
    _ report: inout LogVerifier.Report
  ) {
    func tell(_ reason: String, at: Int = 0) { report.add(file, offset + UInt64(at), reason) }
    if header.batch != batch || header.basePosition != position, !isGapKnown {
      tell(
        "batch \(header.batch) at \(Position(header.basePosition)) where batch \(batch) at "
          + "\(Position(position)) is next"
      )
    }
    if header.recorded < recorded { tell("a batch was recorded before the one before it") }
    if header.durableEnd < durableEnd || header.durableBatches < durableBatches
      || header.durableEnd > header.basePosition || header.durableBatches > header.batch
    {
      tell("a batch names a durable end that cannot be: \(Position(header.durableEnd))")
    }
    isGapKnown = false
    lastEnd = offset + UInt64(header.totalBytes)
    batch = header.nextBatch
    position = header.endPosition
    recorded = header.recorded
    durableEnd = header.durableEnd
    durableBatches = header.durableBatches
    report.batches += 1
    report.records += UInt64(header.recordsHeld)
    if header.kind == .gap {
      report.gaps.append(.init(from: Position(header.basePosition), to: Position(header.endPosition)))
    }
    if let preamble = BatchCheck.preamble(bytes, at: start, header) {
      for topic in preamble.topics {
        if Int(topic.id.value) != partitions.count, !wasDamaged {
          tell("topic \(topic.name) is declared out of order", at: BatchHeader.bytes)
        }
        partitions[topic.id] = topic.partitions
      }
      for jump in preamble.jumps { nextOffsets[jump.partition] = jump.next }
    } else {
      tell("the producer or the topics of a batch contradict its header", at: BatchHeader.bytes)
    }
    takeRecords(header, bytes, from: start, file, number, offset, &report)
  }

  private mutating func takeRecords(
    _ header: BatchHeader, _ bytes: [UInt8], from start: Int, _ file: LogFile, _ number: Int,
    _ offset: UInt64,
    _ report: inout LogVerifier.Report
  ) {
    var at = start + header.recordsStart
    for position in header.basePosition..<header.basePosition + UInt64(header.recordsHeld) {
      let (found, total) = bytes.withUnsafeBytes {
        (RecordLayout.decode($0, at, position, header.recorded), RecordLayout.totalBytes($0, at))
      }
      let here = offset + UInt64(at - start)
      at += total
      // The scanner has proven the kind.
      let record = found!
      if let count = partitions[record.topic] {
        if record.partition >= count {
          report.add(file, here, "partition \(record.partition) of a topic that has \(count)")
        } else if Partitioner.partition(bytes, record.envelope.key, of: count) != record.partition {
          report.add(file, here, "\(Position(position)) is not in the partition of its key")
        }
      } else if !wasDamaged {
        report.add(file, here, "\(Position(position)) is of topic \(record.topic.value), never declared")
      }
      let partition = UInt32(record.topic.value) << 16 | UInt32(record.partition)
      let next = nextOffsets[partition] ?? (wasDamaged ? record.offset.value : 0)
      if record.offset.value != next {
        report.add(file, here, "offset \(record.offset) where \(next) is the next of its partition")
      }
      nextOffsets[partition] = record.offset.value + 1
      let hash = log.hash(
        topic: record.topic, bytes, source: record.envelope.source, id: record.envelope.id)
      identities.append(IndexEntry(hash, LogAddress(segment: number, offset: here)))
    }
  }

  /// Reports each identity that stands in the log twice: equal hashes, proven by reading.
  mutating func findDoubles(_ report: inout LogVerifier.Report) throws(LogError) {
    let sorted = IndexSort.sorted(identities)
    identities = []
    var first = RecordProbe(catalog: catalog, log: log)
    var second = RecordProbe(catalog: catalog, log: log)
    var group = 0
    for index in sorted.indices.dropFirst() {
      if sorted[index].hash != sorted[group].hash {
        group = index
        continue
      }
      for earlier in group..<index {
        guard try Self.same(sorted[earlier].address, sorted[index].address, &first, &second) else { continue }
        let place = try first.place(sorted[earlier].address)
        let again = try second.place(sorted[index].address)
        guard let segment = catalog.segment(sorted[index].address.segment) else { continue }
        report.add(
          segment.file, sorted[index].address.offset,
          "\(Position(again.position)) has the identity of \(Position(place.position))")
      }
    }
  }

  private static func same(
    _ a: LogAddress, _ b: LogAddress, _ first: inout RecordProbe, _ second: inout RecordProbe
  ) throws(LogError) -> Bool {
    _ = try first.load(a)
    _ = try second.load(b)
    let one = first.record(position: 0, recorded: 0)
    let other = second.record(position: 0, recorded: 0)
    return one.topic == other.topic
      && first.bytes.equals(one.envelope.source, second.bytes, other.envelope.source)
      && first.bytes.equals(one.envelope.id, second.bytes, other.envelope.id)
  }
}

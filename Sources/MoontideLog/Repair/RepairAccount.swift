import MoontideCore

/// What a repair has come to on its way through the log: where it stands, what it gives up, and where
/// partitions go on behind that.
struct RepairAccount {
  private(set) var plan = LogRepair.Plan()
  private(set) var state = LogPoint()
  private let log: LogIdentity
  private let checkpoint: LogCheckpoint?
  private let named: [TopicID: (name: TopicName, partitions: UInt16)]
  private var durable: (end: UInt64, batches: UInt64) = (0, 0)
  /// Lost positions of which a later offset tells the partition.
  private var attributed: UInt64 = 0
  /// Partitions that were seen behind the last gap: where they go on is known.
  private var seen: Set<UInt32> = []

  init(
    log: LogIdentity, checkpoint: LogCheckpoint?,
    named: [TopicID: (name: TopicName, partitions: UInt16)]
  ) {
    self.log = log
    self.checkpoint = checkpoint
    self.named = named
    state.offset = UInt64(SegmentHeader.bytes)
  }

  // MARK: Segments

  mutating func begin(_ segment: RepairedSegment) { plan.segments.append(segment) }

  mutating func keep(_ bytes: Range<UInt64>) { plan.segments[plan.segments.count - 1].keep(bytes) }

  mutating func markChanged() { plan.segments[plan.segments.count - 1].isChanged = true }

  mutating func note(tornTail bytes: UInt64) { plan.tornTailBytes = bytes }

  mutating func note(corrected byte: UInt64, of file: String) {
    plan.correctionCount += 1
    markChanged()
    guard plan.corrections.count < Limits.repairPlacesMax else { return }
    plan.corrections.append(.init(file: file, byteOffset: byte))
  }

  mutating func note(lost sequence: Range<UInt64>, of producer: ProducerID) {
    guard plan.lostSequences.count < Limits.repairPlacesMax else { return }
    plan.lostSequences.append(.init(producer: producer, sequence: sequence))
  }

  // MARK: What is lost

  /// Gives up everything from here to a position and the number of a batch, and the bytes where it stood.
  mutating func lose(
    upTo position: UInt64, batch: UInt64, _ bytes: Range<UInt64>, of file: LogFile, _ reason: String,
    known: [LogRepair.LostRecord] = []
  ) throws(LogError) {
    let positions = state.position..<position
    guard positions.count <= UInt32.max else {
      throw file.damaged(
        at: bytes.lowerBound, "\(positions.count) positions are missing, more than one gap can stand for")
    }
    if position > state.position || batch > state.batch {
      plan.gaps.append(
        LogGap(
          positions: positions, batches: state.batch..<batch, recorded: state.recorded, durable: durable))
      plan.segments[plan.segments.count - 1].pieces.append(.gap(plan.gaps.count - 1))
      if !positions.isEmpty { plan.firstLost = plan.firstLost ?? Position(state.position) }
      plan.lostPositions += UInt64(positions.count)
      state.position = position
      state.batch = batch
      seen = []
    }
    markChanged()
    plan.lossCount += 1
    guard plan.losses.count < Limits.repairPlacesMax else { return }
    plan.losses.append(
      .init(
        file: file.path, bytes: bytes, positions: Position(positions.lowerBound)..<Position(position),
        reason: reason, known: known))
  }

  // MARK: What stays

  /// Adds a batch that was put right or saved, and takes it.
  mutating func add(_ bytes: [UInt8], of file: LogFile) throws(LogError) {
    guard let header = BatchHeader.decode(bytes, at: 0, log: log) else {
      preconditionFailure("a batch that was put together has no sound header")
    }
    plan.segments[plan.segments.count - 1].pieces.append(.batch(bytes))
    markChanged()
    try take(header, bytes, at: 0, of: file, offset: 0)
  }

  /// Takes a sound batch, which stands where the account is.
  mutating func take(
    _ header: BatchHeader, _ bytes: [UInt8], at start: Int, of file: LogFile, offset: UInt64
  ) throws(LogError) {
    guard let preamble = BatchCheck.preamble(bytes, at: start, header) else {
      throw file.damaged(at: offset, "the producer or the topics of a batch contradict its header")
    }
    for topic in preamble.topics where Int(topic.id.value) >= state.topics.count {
      try need(Int(topic.id.value) - 1, file, offset)
      declare(topic)
    }
    for jump in preamble.jumps { _ = state.jump(jump) }
    if let producer = preamble.producer {
      let known = state.producers[producer] ?? 0
      if header.sequence.lowerBound > known, !plan.gaps.isEmpty {
        note(lost: known..<header.sequence.lowerBound, of: producer)
      }
      state.producers[producer] = header.sequence.upperBound
    }
    var at = start + header.recordsStart
    for _ in 0..<header.recordsHeld {
      try takeRecord(bytes, at: at, of: file, offset: offset + UInt64(at - start))
      at += bytes.withUnsafeBytes { RecordLayout.totalBytes($0, at) }
    }
    plan.records += UInt64(header.recordsHeld)
    state.position = header.endPosition
    state.batch = header.nextBatch
    state.recorded = header.recorded
    durable = (header.durableEnd, header.durableBatches)
  }

  private mutating func takeRecord(
    _ bytes: [UInt8], at: Int, of file: LogFile, offset: UInt64
  ) throws(LogError) {
    let topic = Int(bytes.number(UInt16.self, at: at + 12))
    let partition = Int(bytes.number(UInt16.self, at: at + 14))
    let record = bytes.number(UInt64.self, at: at + 20)
    try need(topic, file, offset)
    guard partition < state.topics[topic].nextOffsets.count else {
      throw file.damaged(
        at: offset,
        "partition \(partition) of topic \(state.topics[topic].name), which is to have "
          + "\(state.topics[topic].partitions)")
    }
    let next = state.topics[topic].nextOffsets[partition]
    let place = UInt32(topic) << 16 | UInt32(partition)
    if record > next, !plan.gaps.isEmpty {
      plan.gaps[plan.gaps.count - 1].jumps[place] = record
      attributed += record - next
    }
    seen.insert(place)
    state.topics[topic].nextOffsets[partition] = record + 1
  }

  // MARK: Topics

  private mutating func declare(_ topic: BatchEncoder.Declaration) {
    state.topics.append(
      .init(
        name: topic.name, partitions: topic.partitions,
        nextOffsets: Array(repeating: 0, count: Int(topic.partitions))))
  }

  /// Sees that a topic is known: one whose declaration was lost is declared again in the last gap, as the
  /// checkpoint or the caller has it.
  private mutating func need(_ topic: Int, _ file: LogFile, _ offset: UInt64) throws(LogError) {
    while state.topics.count <= topic {
      let id = TopicID(UInt16(state.topics.count))
      let declaration: BatchEncoder.Declaration
      if let checkpoint, Int(id.value) < checkpoint.point.topics.count {
        let known = checkpoint.point.topics[Int(id.value)]
        declaration = .init(id: id, partitions: known.partitions, name: known.name)
      } else if let named = named[id] {
        let partitions = named.partitions == 0 ? Limits.partitionsDefault : named.partitions
        declaration = .init(id: id, partitions: partitions, name: named.name)
      } else {
        throw .lostTopic(id: id, file: file.path, byteOffset: offset)
      }
      guard !plan.gaps.isEmpty else {
        throw file.damaged(at: offset, "topic \(id.value) was never declared")
      }
      plan.gaps[plan.gaps.count - 1].topics.append(declaration)
      declare(declaration)
    }
  }

  // MARK: The end

  /// Nothing follows: partitions that were not seen behind the last gap go on where no offset can have been
  /// used.
  mutating func finish(_ path: String) throws(LogError) -> LogRepair.Plan {
    if !plan.gaps.isEmpty {
      try settle(checkpoint?.point.topics ?? [], path)
      let rest = plan.lostPositions - min(plan.lostPositions, attributed)
      if rest > 0 { skip(rest) }
    }
    plan.end = Position(state.position)
    plan.state = state
    return plan
  }

  /// What the checkpoint saw was used.
  private mutating func settle(_ topics: [LogPoint.Topic], _ path: String) throws(LogError) {
    let last = plan.gaps.count - 1
    for (topic, known) in topics.enumerated() {
      if topic >= state.topics.count {
        plan.gaps[last].topics.append(
          .init(id: TopicID(UInt16(topic)), partitions: known.partitions, name: known.name))
        declare(.init(id: TopicID(UInt16(topic)), partitions: known.partitions, name: known.name))
      }
      guard state.topics[topic].name == known.name, state.topics[topic].partitions == known.partitions
      else {
        throw .damaged(
          file: path, byteOffset: 0,
          reason:
            "topic \(topic) is \(state.topics[topic].name) in the log and \(known.name) in the checkpoint")
      }
      for (partition, next) in known.nextOffsets.enumerated()
      where next > state.topics[topic].nextOffsets[partition] {
        attributed += next - state.topics[topic].nextOffsets[partition]
        jump(topic, partition, to: next)
      }
    }
  }

  private mutating func skip(_ rest: UInt64) {
    for topic in state.topics.indices {
      for partition in state.topics[topic].nextOffsets.indices
      where !seen.contains(UInt32(topic) << 16 | UInt32(partition)) {
        jump(topic, partition, to: state.topics[topic].nextOffsets[partition] + rest)
      }
    }
  }

  private mutating func jump(_ topic: Int, _ partition: Int, to next: UInt64) {
    plan.gaps[plan.gaps.count - 1].jumps[UInt32(topic) << 16 | UInt32(partition)] = next
    state.topics[topic].nextOffsets[partition] = next
  }

  /// The durable ends of the batch before, for one that is put together.
  var durablePoint: (end: UInt64, batches: UInt64) { durable }
}

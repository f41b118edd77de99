import MoontideCore

/// Goes through all segments for a repair: keeps what is sound, puts right or saves what can be, gives up the
/// rest.
struct RepairWalk {
  /// A stretch that begins where a batch was expected, and has no sound header.
  private struct Noise {
    var from: UInt64
    var reason: String
  }

  private let log: LogIdentity
  private let witness: LogWitness?
  private let floor: UInt64
  private var account: RepairAccount
  private var noise: Noise?
  private var source: RepairSource!

  init(
    log: LogIdentity, checkpoint: LogCheckpoint?,
    named: [TopicID: (name: TopicName, partitions: UInt16)], floor: UInt64
  ) {
    self.log = log
    self.floor = floor
    witness = checkpoint.map(LogWitness.init)
    account = RepairAccount(log: log, checkpoint: checkpoint, named: named)
  }

  /// Where the log is known to have reached, when nothing follows.
  private var logEnd: (position: UInt64, batch: UInt64) {
    let state = account.state
    let position = max(state.position, floor, witness?.position ?? 0)
    let batch = max(state.batch, witness?.batch ?? 0)
    return (position, position > state.position ? max(batch, state.batch + 1) : batch)
  }

  /// Walks one segment.
  /// - Parameter next: the one behind it, or nil for the last.
  mutating func walk(_ source: RepairSource, next: RepairSource?) throws(LogError) {
    self.source = source
    noise = nil
    let border = source.border
    if border.position > account.state.position {
      try beginMissing(source.file, upTo: border.position, border.batch ?? account.state.batch + 1)
    }
    guard border.position == account.state.position else {
      throw source.file.damaged(
        at: 32,
        "the segment begins at \(Position(border.position)), the one before it ends at "
          + "\(Position(account.state.position)): move one of both away by hand")
    }
    begin(source)
    var scanner = SegmentScanner(
      file: source.file, log: log, from: UInt64(SegmentHeader.bytes), to: source.size)
    while try step(&scanner, isLast: next == nil) {}
    try end(next)
  }

  private mutating func begin(_ source: RepairSource) {
    let state = account.state
    var header =
      source.header ?? SegmentHeader(log: log.digest, basePosition: state.position, firstBatch: state.batch)
    let isChanged = source.header == nil || header.firstBatch != state.batch
    header.firstBatch = state.batch
    account.begin(
      RepairedSegment(
        name: source.name, path: source.file.path, source: source.file, header: header, isChanged: isChanged))
    if let byte = source.corrected { account.note(corrected: UInt64(byte), of: source.file.path) }
  }

  /// Puts a segment of nothing but a gap where files are missing.
  private mutating func beginMissing(
    _ near: LogFile, upTo position: UInt64, _ batch: UInt64
  ) throws(LogError) {
    let state = account.state
    let name = SegmentHeader.fileName(basePosition: state.position)
    let folder = near.path.dropLast(24)
    let header = SegmentHeader(log: log.digest, basePosition: state.position, firstBatch: state.batch)
    account.begin(RepairedSegment(name: name, path: folder + name, source: nil, header: header))
    let file = LogFile(path: folder + name, file: near.file)
    try account.lose(
      upTo: position, batch: max(batch, state.batch + 1), 0..<0, of: file,
      "the log goes on at \(Position(position)): what was between is missing")
  }

  /// Takes the next thing of the segment; false at its end.
  private mutating func step(_ scanner: inout SegmentScanner, isLast: Bool) throws(LogError) -> Bool {
    switch try scanner.next() {
    case .end: return false
    case .batch(let header, let offset, let start):
      guard follows(header) else {
        try lose(offset..<scanner.offset, "batch \(header.batch) stands here out of its place")
        return true
      }
      try settle(before: offset, upTo: header.basePosition, header.batch)
      account.keep(offset..<scanner.offset)
      try account.take(header, scanner.buffer, at: start, of: source.file, offset: offset)
    case .bad(_, let reason):
      let from = scanner.offset
      if isLast, noise == nil, logEnd == (account.state.position, account.state.batch) {
        var ahead = scanner
        if try ahead.isTorn(next: account.state.batch, witness: nil) {
          account.note(tornTail: source.size - from)
          return false
        }
      }
      if let end = try save(scanner, from, reason) {
        scanner.offset = end
        return scanner.offset < source.size
      }
      noise = noise ?? Noise(from: from, reason: reason)
      if try !scanner.resynchronise() { return false }
    }
    return true
  }

  private func follows(_ header: BatchHeader) -> Bool {
    let state = account.state
    if header.batch == state.batch { return header.basePosition == state.position }
    return header.batch > state.batch && header.basePosition >= state.position
  }

  private mutating func lose(_ bytes: Range<UInt64>, _ reason: String) throws(LogError) {
    try account.lose(
      upTo: account.state.position, batch: account.state.batch, bytes, of: source.file, reason)
  }

  // MARK: A batch whose header says what it was

  /// Saves what is sound of the bad batch at `from`, when its header is right or one bit from it. Returns
  /// where it ends.
  private mutating func save(
    _ scanner: SegmentScanner, _ from: UInt64, _ reason: String
  ) throws(LogError) -> UInt64? {
    guard source.size - from >= UInt64(BatchHeader.bytes) else { return nil }
    var head = [UInt8](repeating: 0, count: BatchHeader.bytes)
    try source.file.readAll(at: from, count: head.count, into: &head, at: 0)
    var corrected: Int?
    if BatchHeader.decode(head, at: 0, log: log) == nil {
      guard noise == nil else { return nil }
      let log = log
      corrected = SingleBit.correct(&head, 0..<BatchHeader.bytes) {
        BatchHeader.decode($0, at: 0, log: log) != nil
      }
    }
    guard let header = BatchHeader.decode(head, at: 0, log: log), follows(header),
      corrected == nil || header.batch == account.state.batch
    else { return nil }
    var ahead = scanner
    ahead.offset = from
    let behind = try ahead.resynchronise() ? ahead.offset : source.size
    let end = min(from + UInt64(header.totalBytes), behind, source.size)
    var bytes = [UInt8](repeating: 0, count: Int(end - from))
    try source.file.readAll(at: from, count: bytes.count, into: &bytes, at: 0)
    bytes.replaceSubrange(0..<BatchHeader.bytes, with: head)
    let salvage = BatchSalvage(bytes, header, log: log, isHeaderKnown: true)
    guard salvage.isWhole || header.kind != .gap else { return nil }
    try settle(before: from, upTo: header.basePosition, header.batch)
    for byte in [corrected].compactMap({ $0.map { $0 / 8 } }) + salvage.corrected {
      account.note(corrected: from + UInt64(byte), of: source.file.path)
    }
    if salvage.isWhole {
      try account.add(Array(salvage.bytes[..<header.totalBytes]), of: source.file)
    } else {
      try add(salvage, header, from..<end, reason)
    }
    return end
  }

  /// Writes the sound records of a batch as parts, with gaps where others were.
  private mutating func add(
    _ salvage: BatchSalvage, _ header: BatchHeader, _ bytes: Range<UInt64>, _ reason: String
  ) throws(LogError) {
    let producer = salvage.producer
    let count = header.recordsHeld
    if let producer, salvage.records.count < count || count == 0 {
      account.note(lost: header.sequence, of: producer)
    }
    var next = 0
    func known(_ indexes: Range<Int>) -> [LogRepair.LostRecord] {
      indexes.compactMap { salvage.presumed[$0] }
    }
    func part(_ kind: BatchHeader.Kind, _ found: ArraySlice<BatchSalvage.Found>) -> [UInt8] {
      var part = header
      part.basePosition = header.basePosition + UInt64(found.first?.index ?? count)
      part.kind = kind
      return PartEncoder.encode(
        part, producer: kind == .whole ? producer : nil, records: found.map { salvage.bytes[$0.range] },
        log: log)
    }
    // Where what was found last ends: what is lost begins there.
    var edge = min(
      bytes.lowerBound + UInt64(header.bodyBytes > 0 ? header.recordsStart : 0), bytes.upperBound)
    var first = 0
    while first < salvage.records.count {
      var end = first + 1
      while end < salvage.records.count, salvage.records[end].index == salvage.records[end - 1].index + 1 {
        end += 1
      }
      let index = salvage.records[first].index
      if index > next {
        let stop = bytes.lowerBound + UInt64(salvage.records[first].range.lowerBound)
        try account.lose(
          upTo: header.basePosition + UInt64(index), batch: header.batch, edge..<stop, of: source.file,
          reason, known: known(next..<index))
      }
      edge = bytes.lowerBound + UInt64(salvage.records[end - 1].range.upperBound)
      next = salvage.records[end - 1].index + 1
      try account.add(part(next == count ? .whole : .part, salvage.records[first..<end]), of: source.file)
      first = end
    }
    if next == count, count > 0 {
      // All of its records are there: its header, producer or topics are not.
      if salvage.records.count == count { try lose(bytes, reason) }
      return
    }
    try account.lose(
      upTo: header.basePosition + UInt64(count), batch: producer == nil ? header.batch + 1 : header.batch,
      edge..<bytes.upperBound, of: source.file, reason, known: known(next..<count))
    if producer != nil { try account.add(part(.whole, []), of: source.file) }
  }

  // MARK: Noise

  /// What is known to begin at `end` of the segment begins with this position and batch: gives up, or saves,
  /// what lies before.
  private mutating func settle(
    before end: UInt64, upTo position: UInt64, _ batch: UInt64
  ) throws(LogError) {
    if let noise {
      let isSaved = try saveWithoutHeaders(noise, end, upTo: position, batch)
      if position > account.state.position || batch > account.state.batch || !isSaved {
        try account.lose(upTo: position, batch: batch, noise.from..<end, of: source.file, noise.reason)
      }
    } else if position > account.state.position || batch > account.state.batch {
      try account.lose(
        upTo: position, batch: batch, end..<end, of: source.file, "batches are missing here")
    }
    noise = nil
  }

  /// Saves records of batches whose headers are lost, when it is certain which positions were theirs: each
  /// record says where its batch began and which it was of it. One batch alone may miss some; of several, all
  /// must be there, and only batches without records may lie between.
  private mutating func saveWithoutHeaders(
    _ noise: Noise, _ end: UInt64, upTo position: UInt64, _ batch: UInt64
  ) throws(LogError) -> Bool {
    let state = account.state
    guard position > state.position, batch > state.batch, end - noise.from <= UInt64(2 * Limits.batchBytesMax)
    else { return false }
    var bytes = [UInt8](repeating: 0, count: Int(end - noise.from))
    try source.file.readAll(at: noise.from, count: bytes.count, into: &bytes, at: 0)
    let starts = StrayRecords.find(bytes, log)
    guard (1...batch - state.batch).contains(UInt64(starts.count)) else { return false }
    let counts =
      batch == state.batch + 1 ? [position - state.position] : starts.map { UInt64($0.lastIndex) + 1 }
    guard counts.reduce(0, +) == position - state.position,
      counts.allSatisfy({ $0 <= UInt64(Limits.batchRecordsMax) })
    else { return false }
    let others = batch - state.batch - UInt64(starts.count)
    if others > 0 {
      try account.lose(
        upTo: state.position, batch: state.batch + others, noise.from..<noise.from, of: source.file,
        "the headers of batches without records are not sound")
    }
    for (number, start) in starts.enumerated() {
      let stop = number + 1 < starts.count ? starts[number + 1].start : bytes.count
      let header = BatchHeader(
        bodyBytes: 0, bodyChecksum: 0, basePosition: account.state.position, batch: account.state.batch,
        recorded: max(account.state.recorded, start.recorded ?? .min), durableEnd: account.durablePoint.end,
        durableBatches: account.durablePoint.batches, sequence: 0..<0, records: UInt32(counts[number]),
        topics: 0, producerBytes: 0, preambleBytes: 0)
      let salvage = BatchSalvage(
        Array(bytes[start.start..<stop]), header, log: log, isHeaderKnown: false)
      let place = noise.from + UInt64(start.start)..<noise.from + UInt64(stop)
      try add(salvage, header, place, noise.reason)
    }
    return true
  }

  // MARK: Ends

  /// Behind the segment: what is missing up to where the next one begins, or up to where the log was durable.
  private mutating func end(_ next: RepairSource?) throws(LogError) {
    let (position, batch): (UInt64, UInt64)
    if let next {
      let state = account.state
      position = max(next.border.position, state.position)
      batch = max(
        next.border.batch ?? (position > state.position ? state.batch + 1 : state.batch), state.batch)
    } else {
      (position, batch) = logEnd
    }
    if noise != nil || position == account.state.position || account.state.position == source.basePosition {
      try settle(before: source.size, upTo: position, batch)
    } else {
      try beginMissing(source.file, upTo: position, batch)
    }
  }

  mutating func finish(directory: String) throws(LogError) -> LogRepair.Plan {
    if account.plan.segments.isEmpty {
      throw .damaged(
        file: directory, byteOffset: 0, reason: "there is no segment left: restore the log from a backup")
    }
    return try account.finish(directory)
  }
}

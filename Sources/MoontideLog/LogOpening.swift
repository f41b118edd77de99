import MoontideCore
import Synchronization

/// Opens a log: finds its segments, trusts a checkpoint that fits, reads what lies behind it, and drops a
/// torn tail.
struct LogOpening {
  let root: LogDirectory
  let options: LogOptions
  let randomness: any Randomness
  var segmentDirectory: LogDirectory { LogDirectory(files: root.files, path: root.path + "/segments") }
  var indexDirectory: LogDirectory { LogDirectory(files: root.files, path: root.path + "/index") }

  struct Opened {
    var log: LogIdentity
    var state: LogPoint
    var catalog: LogCatalog
    var index: LogIndex
    var commit: GroupCommit
    var maintainer: IndexMaintainer
    var recovery: LogRecovery
  }

  func open() throws(LogError) -> Opened {
    try root.create()
    try segmentDirectory.create()
    try indexDirectory.create()
    try root.sync()
    let catalog = LogCatalog(options: options)
    let log = try openSegments(into: catalog)
    var recovery = LogRecovery()

    var checkpoint = try LogCheckpoint.read(in: root, log: log)
    let witness = checkpoint.map(LogWitness.init)
    if let checkpoint { try refuseCut(catalog, checkpoint.point) }
    var identityRuns: [SortedRun] = []
    var keyRuns: [SortedRun] = []
    if let found = checkpoint {
      if try found.fits(catalog, log), let identities = try openRuns(found.identityRuns, log),
        let keys = try openRuns(found.keyRuns, log)
      {
        (identityRuns, keyRuns) = (identities, keys)
        catalog.restore(marks: found.marks, offsetMarks: found.offsetMarks)
      } else {
        checkpoint = nil
      }
    }
    var start = LogPoint()
    start.offset = UInt64(SegmentHeader.bytes)
    if let checkpoint { start = checkpoint.point }
    try removeStrayRuns(keeping: identityRuns + keyRuns)

    let index = LogIndex(
      log: log, sealEntries: options.indexSealEntries, identityRuns: identityRuns, keyRuns: keyRuns)
    let segments = catalog.allSegments
    let commit = GroupCommit(
      .init(file: segments[segments.count - 1].file, position: start.position, batches: start.batch))
    let maintainer = IndexMaintainer(
      root: root, directory: indexDirectory, index: index, catalog: catalog, commit: commit, point: start,
      nextFile: checkpoint?.nextFile ?? 0)
    var replay = LogReplay(state: start, log: log, index: index, catalog: catalog, options: options)
    try scan(catalog, &replay, maintainer, &recovery, witness: witness)
    recovery.indexesRebuilt = checkpoint == nil && replay.state.position > 0
    let state = replay.state
    let last = catalog.allSegments.count - 1
    let file = catalog.allSegments[last].file
    commit.advance(
      .init(file: file, position: state.position, batches: state.batch),
      synced: true)
    return Opened(
      log: log, state: state, catalog: catalog, index: index, commit: commit, maintainer: maintainer,
      recovery: recovery)
  }

  /// Opens all segments, or makes the first one, and returns the log's identity.
  private func openSegments(into catalog: LogCatalog) throws(LogError) -> LogIdentity {
    let names = try segmentDirectory.list().filter { $0.hasSuffix(".log") && $0.utf8.count == 24 }
    var log: LogIdentity?
    for (number, name) in names.enumerated() {
      let file = try segmentDirectory.open(name, .readWrite)
      let size = try file.size()
      let header: SegmentHeader
      do {
        header = try SegmentHeader.read(file)
      } catch {
        // Batches follow only once the header is durable: a last file without any was never used.
        guard case .damaged = error, number == names.count - 1, size <= UInt64(SegmentHeader.bytes) else {
          throw error
        }
        try segmentDirectory.remove(name)
        try segmentDirectory.sync()
        break
      }
      guard header.log == log?.digest ?? header.log else {
        throw file.damaged(at: 16, "the segment belongs to another log")
      }
      guard SegmentHeader.fileName(basePosition: header.basePosition) == name,
        number > 0 || header.basePosition == 0
      else { throw file.damaged(at: 32, "the segment begins at \(Position(header.basePosition))") }
      log = log ?? LogIdentity(header.log)
      if number == names.count - 1, size == UInt64(SegmentHeader.bytes) {
        try SegmentCreation.confirm(header, file, in: segmentDirectory)
      }
      catalog.add(Segment(number: number, header: header, file: file, end: size))
    }
    if let log { return log }
    // A log is there after a power cut only if its directory is.
    try root.syncAbove()
    let identity = LogIdentity(Digest(high: randomness.next(), low: randomness.next()))
    catalog.add(try SegmentCreation.create(number: 0, at: LogPoint(), in: segmentDirectory, log: identity))
    return identity
  }

  /// A checkpoint is written after the flush of what it covers: a log with fewer bytes lost events that were
  /// acknowledged. Found before anything is written, so that what says so stays.
  private func refuseCut(_ catalog: LogCatalog, _ point: LogPoint) throws(LogError) {
    let segments = catalog.allSegments
    let last = catalog.segment(point.segment) ?? segments[segments.count - 1]
    if last.number == point.segment, last.writtenEnd >= point.offset { return }
    throw last.file.damaged(
      at: last.writtenEnd, "the log ends here, and was durable up to \(Position(point.position))")
  }

  /// Nil when one of them is missing or not sound.
  private func openRuns(_ runs: [LogCheckpoint.Run], _ log: LogIdentity) throws(LogError) -> [SortedRun]? {
    var opened: [SortedRun] = []
    for run in runs {
      guard let sound = try SortedRun.open(run, in: indexDirectory, log: log)
      else { return nil }
      opened.append(sound)
    }
    return opened
  }

  private func removeStrayRuns(keeping runs: [SortedRun]) throws(LogError) {
    let kept = Set(runs.map(\.name))
    for name in try indexDirectory.list() where !kept.contains(name) { try indexDirectory.remove(name) }
  }

  /// Whether it is what a roll left that failed for want of room, was taken back, and came again with a power
  /// cut; then it is removed. A segment with batches that does not go on where the one before it ends is
  /// damage.
  private func isLeftover(
    _ segment: Segment, of state: LogPoint, after first: Int, isLast: Bool
  ) throws(LogError) -> Bool {
    guard segment.number > first else { return false }
    if segment.basePosition == state.position, segment.firstBatch == state.batch { return false }
    guard isLast, segment.writtenEnd <= UInt64(SegmentHeader.bytes) else {
      throw segment.file.damaged(
        at: 32,
        "the segment begins at \(Position(segment.basePosition)), the one before it ends at "
          + "\(Position(state.position))")
    }
    try segmentDirectory.remove(SegmentHeader.fileName(basePosition: segment.basePosition))
    try segmentDirectory.sync()
    return true
  }

  /// Reads all batches behind the replay's state.
  private func scan(
    _ catalog: LogCatalog, _ replay: inout LogReplay, _ maintainer: IndexMaintainer,
    _ recovery: inout LogRecovery, witness: LogWitness?
  ) throws(LogError) {
    let segments = catalog.allSegments
    let first = replay.state.segment
    for segment in segments[first...] {
      let isLast = segment.number == segments.count - 1
      if try isLeftover(segment, of: replay.state, after: first, isLast: isLast) {
        catalog.dropLastSegment()
        return
      }
      let from = segment.number == first ? replay.state.offset : UInt64(SegmentHeader.bytes)
      let end = segment.writtenEnd
      var scanner = SegmentScanner(file: segment.file, log: replay.log, from: from, to: end)
      var tail = UnprovenTail()
      scanning: while true {
        switch try scanner.next() {
        case .end: break scanning
        case .batch(let header, let offset, let start):
          tail.take(header, at: offset)
          if try replay.take(header, scanner.buffer, at: start, segment: segment, offset: offset) {
            // A checkpoint must not say more than the log holds after a power cut.
            if isLast { try tail.makeDurable(segment, before: scanner.offset) }
            while try maintainer.work() {}
          }
          recovery.batchesScanned += 1
        case .bad(let offset, let reason):
          let kept = scanner.offset
          guard isLast, try scanner.isTorn(next: replay.state.batch, witness: witness) else {
            throw segment.file.damaged(at: offset, reason)
          }
          try segment.file.truncate(to: kept)
          try segment.file.sync()
          segment.end.store(kept, ordering: .releasing)
          recovery.bytesDropped = end - kept
          recovery.droppedFrom = segment.file.path
          break scanning
        }
      }
      // Before anyone sees it.
      if isLast, from < end { try tail.makeDurable(segment, before: segment.writtenEnd) }
    }
    try witness?.check(replay.state, last: segments[segments.count - 1])
    // A segment that was begun and never used is where the next batch goes.
    let last = segments[segments.count - 1]
    replay.enter(last)
  }
}

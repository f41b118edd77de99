public import MoontideCore
import MoontideJSON

/// The first stage of ingest: finds files, reads lines and turns them into drafts. Owned by one thread.
public final class LineParsingWorker: Worker {
  private let directory: EventDirectory
  private let files: any FileSystem
  private let log: any EventLog
  private let options: IngestOptions
  private let progress: IngestProgress
  private let watch: DirectoryWatch?
  private let parser = EnvelopeParser()

  /// Files of the last scan that have something to read, last first.
  private var waiting: [SourceFile] = []
  private var hasScanned = false
  private var tracks: [UInt64: FileCursor.Track] = [:]
  private var cursor: FileCursor?
  /// Files that the system refused at the last try: left out of one scan, so that the next try is later.
  private var refused: Set<UInt64> = []
  /// A line that was read and could not be taken yet: the log has no room now.
  private var pending: LineReader.Line?
  private var topics: [TopicName: TopicID] = [:]
  private var quarantine: TopicID?
  /// The last step found the system short of something.
  private var isPausing = false

  init(
    directory: EventDirectory, files: any FileSystem, log: any EventLog, options: IngestOptions,
    progress: IngestProgress, watch: DirectoryWatch?
  ) {
    self.directory = directory
    self.files = files
    self.log = log
    self.options = options
    self.progress = progress
    self.watch = watch
  }

  public func step() -> StepOutcome {
    if progress.isStopping { return .finished }
    do throws(IngestFailure) {
      if cursor != nil { return try read() }
      if !waiting.isEmpty { return try openNext() }
    } catch {
      progress.fail(error)
      return .finished
    }
    if hasScanned && options.once {
      progress.isReadingDone.store(true, ordering: .releasing)
      progress.parsed.wake()
      return .finished
    }
    return scan()
  }

  /// Blocks until there may be something to do, at the longest for `timeout`.
  public func wait(for timeout: Duration) {
    if isPausing {
      isPausing = false
      progress.rest.wait(for: timeout)
    } else if cursor != nil || !waiting.isEmpty {
      progress.free.wait(for: timeout)
    } else if let watch {
      watch.wait(for: timeout)
    } else {
      progress.rest.wait(for: timeout)
    }
  }

  // MARK: Finding files

  private func scan() -> StepOutcome {
    let scan = directory.scan()
    hasScanned = !scan.isIncomplete
    for problem in scan.problems { progress.report(problem) }
    for folder in scan.folders { watch?.add(folder) }
    var total: UInt64 = 0
    for file in scan.files {
      total += file.status.bytes
      if refused.contains(file.status.inode) { continue }
      if tracks[file.status.inode]?.status != file.status { waiting.append(file) }
    }
    let hasRefused = !refused.isEmpty
    refused.removeAll()
    waiting.reverse()
    progress.count { counts in
      counts.bytesTotal = total
      counts.files = scan.files.count
      counts.bytesDone = min(counts.bytesDone, total)
    }
    if waiting.isEmpty {
      if scan.isIncomplete { return pause() }
      if !options.once && !hasRefused { progress.isReadingDone.store(true, ordering: .releasing) }
      return options.once ? .progressed : .idle(for: options.pollInterval)
    }
    progress.isReadingDone.store(false, ordering: .releasing)
    return .progressed
  }

  private func openNext() throws(IngestFailure) -> StepOutcome {
    guard let file = waiting.last else { return .progressed }
    let track = tracks[file.status.inode]
    let isSettled =
      progress.sent.load(ordering: .acquiring) == progress.appended.load(ordering: .acquiring)
    do throws(SourceFault) {
      guard
        let opened = try FileCursor(file, track: track, isSettled: isSettled, files: files, log: log)
      else { return .idle(for: .milliseconds(1)) }
      cursor = opened
    } catch {
      if case .file(let fault) = error {
        // It may pass; the next scan but one sees the file as it is then.
        refused.insert(file.status.inode)
        waiting.removeLast()
        if progress.passes(.file(fault)) { return pause() }
        try report(error, of: file)
        return .progressed
      } else {
        // Left alone until its status changes.
        tracks[file.status.inode] = FileCursor.Track(
          status: file.status, offset: 0, headCount: 0, headDigest: .zero, generation: 1, lines: nil,
          fileBytes: 0)
      }
    }
    waiting.removeLast()
    return .progressed
  }

  private func topic(_ name: TopicName) throws(IngestFailure) -> TopicID {
    if let known = topics[name] { return known }
    do throws(LogError) {
      let id = try log.topic(name, partitions: name.isSystem ? 1 : options.partitions[name]).id
      topics[name] = id
      return id
    } catch {
      throw .log(error)
    }
  }

  // MARK: Waiting

  /// Nothing is to be done for a moment, whatever there is to do.
  private func pause() -> StepOutcome {
    isPausing = true
    return .idle(for: Limits.fullDiskPause)
  }

  // MARK: Reading lines

  private enum Found {
    case line(LineReader.Line)
    /// Bytes came, but no newline yet.
    case more
    case end
  }

  private func find(_ reader: LineReader) throws(SourceFault) -> Found {
    if let line = pending {
      pending = nil
      return .line(line)
    }
    if let line = reader.next() { return .line(line) }
    if try reader.fill() == 0 { return reader.last().map { .line($0) } ?? .end }
    return reader.next().map { .line($0) } ?? .more
  }

  private func read() throws(IngestFailure) -> StepOutcome {
    guard let cursor, let batch = progress.free.take() else { return .idle(for: .milliseconds(100)) }
    batch.reset()
    batch.file = cursor.file
    batch.lines = cursor.lines
    do throws(SourceFault) {
      switch try find(cursor.reader) {
      case .line(let first): try fill(batch, first, cursor)
      case .more: progress.free.put(batch)
      case .end:
        progress.free.put(batch)
        close(cursor)
      }
    } catch {
      try fail(cursor, error, batch)
    }
    return pending == nil ? .progressed : pause()
  }

  /// Parses the lines of one chunk into `batch` and hands it on. A line for which the log has no room now
  /// becomes `pending`.
  private func fill(_ batch: ParsedBatch, _ first: LineReader.Line, _ cursor: FileCursor) throws(SourceFault)
  {
    batch.chunk = cursor.reader.chunk
    let from = cursor.taken
    var to = from
    var next: LineReader.Line? = first
    do throws(IngestFailure) {
      let topic = try topic(cursor.file.topic)
      while let line = next {
        try take(line, topic, cursor, into: batch)
        to = line.next
        batch.lineCount += 1
        if batch.lineCount == Limits.ingestBatchLinesMax || batch.batch.bytes.count >= Limits.ingestBatchBytes
        {
          break
        }
        next = cursor.reader.next()
      }
    } catch {
      if case .log(let fault) = error, progress.passes(fault) {
        pending = next
      } else {
        progress.fail(error)
      }
    }
    if batch.lineCount == 0 { return progress.free.put(batch) }
    hand(on: batch, from..<to, cursor)
  }

  private func hand(on batch: ParsedBatch, _ sequence: Range<UInt64>, _ cursor: FileCursor) {
    batch.sequence = sequence
    batch.producer = sequence.isEmpty ? nil : cursor.producer(to: sequence.upperBound)
    countBytes(cursor)
    progress.sent.add(1, ordering: .acquiringAndReleasing)
    progress.parsed.put(batch)
  }

  private func take(
    _ line: LineReader.Line, _ topic: TopicID, _ cursor: FileCursor, into batch: ParsedBatch
  ) throws(IngestFailure) {
    if line.head == nil, isBlank(batch.chunk, line.range) { return }
    do throws(EnvelopeFault) {
      if line.head != nil {
        throw EnvelopeFault(
          .length, "a line may have \(Limits.eventBytesMax) bytes; this one has \(line.count)")
      }
      try parser.parse(batch.chunk, line.range, topic: topic, into: batch.batch)
      if cursor.file.topic == .commands {
        do throws(EnvelopeFault) { try options.completeCommand(batch.batch) } catch {
          batch.batch.drafts.removeLast()
          throw error
        }
      }
    } catch {
      try quarantine(line, error, cursor, into: batch)
    }
    batch.places.append(
      ParsedBatch.Place(range: line.range, offset: line.offset, number: line.number, count: line.count))
  }

  private func isBlank(_ bytes: [UInt8], _ range: ByteRange) -> Bool {
    for index in range.indices where bytes[index] != 0x20 && bytes[index] != 0x09 && bytes[index] != 0x0D {
      return false
    }
    return true
  }

  private func quarantine(
    _ line: LineReader.Line, _ fault: EnvelopeFault, _ cursor: FileCursor, into batch: ParsedBatch
  ) throws(IngestFailure) {
    let number = cursor.lines.linesBefore() + line.number
    if options.strict {
      throw .line(
        Diagnostic(
          code: fault.code, fault.reason, at: SourcePlace(file: cursor.file.name, line: Int(number)),
          details: [.init("help", "moontide explain \(fault.code)")]))
    }
    let raw =
      line.head.map { QuarantineRecord.base64($0) }
      ?? QuarantineRecord.base64(batch.chunk[line.range.indices])
    let note = QuarantineNote(
      code: fault.code, reason: fault.reason, file: cursor.file.name, line: number, byteOffset: line.offset,
      lineBytes: line.count, rawBase64: raw)
    try append(note, cursor, to: batch)
  }

  private func append(_ note: QuarantineNote, _ cursor: FileCursor, to batch: ParsedBatch)
    throws(IngestFailure)
  {
    let topic = try topic(.quarantine)
    batch.batch.drafts.append(
      QuarantineRecord.draft(note, inode: cursor.file.status.inode, topic: topic, into: batch.batch))
    batch.quarantined += 1
  }

  // MARK: Ends of files

  private func countBytes(_ cursor: FileCursor) {
    let read = cursor.reader.source.fileBytesRead
    guard read > cursor.fileBytesSeen else { return }
    let more = read - cursor.fileBytesSeen
    cursor.fileBytesSeen = read
    progress.count { $0.bytesDone += more }
  }

  private func close(_ cursor: FileCursor) {
    countBytes(cursor)
    tracks[cursor.file.status.inode] = cursor.track
    self.cursor = nil
    let name = cursor.file.name
    if let gzip = cursor.reader.source as? GzipSource, gzip.isCut {
      progress.report(
        Diagnostic(
          .warning, code: EnvelopeRule.compression.code,
          "a .gz file must be whole; \(name) ends in the middle, what it holds so far was read"))
    } else if options.once && cursor.reader.hasPartialLine {
      progress.report(
        Diagnostic(
          .note, code: EnvelopeRule.unfinishedLine.code,
          "a line must end with a newline; the last one of \(name) has none yet and was not taken"))
    }
  }

  /// The file does not go on: what was read of it stays, a damaged one gets a record of its own.
  private func fail(_ cursor: FileCursor, _ fault: SourceFault, _ batch: ParsedBatch) throws(IngestFailure) {
    countBytes(cursor)
    tracks[cursor.file.status.inode] = cursor.track
    self.cursor = nil
    if case .file = fault {
      tracks[cursor.file.status.inode]?.status = nil
      refused.insert(cursor.file.status.inode)
    }
    try report(fault, of: cursor.file)
    guard case .corrupt(let reason) = fault else {
      progress.free.put(batch)
      return
    }
    let note = QuarantineNote(
      code: EnvelopeRule.compression.code, reason: "a .gz file must be sound: \(reason)",
      file: cursor.file.name, line: cursor.lines.linesBefore() + cursor.reader.lineCount + 1,
      byteOffset: cursor.reader.nextOffset, lineBytes: 0, rawBase64: "")
    try append(note, cursor, to: batch)
    batch.places.append(
      ParsedBatch.Place(range: .empty, offset: cursor.reader.nextOffset, number: 0, count: 0))
    hand(on: batch, cursor.taken..<cursor.taken, cursor)
  }

  private func report(_ fault: SourceFault, of file: SourceFile) throws(IngestFailure) {
    let problem =
      switch fault {
      case .file(let error):
        Diagnostic(
          .warning, code: EnvelopeRule.sourceFile.code,
          "a file of events must be readable; \(error.operation) of \(file.name) failed: \(error.reason)")
      case .corrupt(let reason):
        Diagnostic(
          .warning, code: EnvelopeRule.compression.code,
          "a .gz file must be sound; \(file.name) is damaged: \(reason)")
      }
    progress.report(problem)
    if options.strict { throw .line(problem) }
  }
}

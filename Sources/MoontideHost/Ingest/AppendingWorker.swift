public import MoontideCore
import MoontideJSON

/// The second stage of ingest: appends batches with their progress, and turns conflicts into quarantine
/// records. Owned by one thread.
public final class AppendingWorker: Worker {
  private let log: any EventLog
  private let options: IngestOptions
  private let progress: IngestProgress
  /// A batch that the log could not take for now: no room on the disk, say.
  private var held: ParsedBatch?
  private var conflicts: UInt64 = 0
  /// A strict run met a conflict: nothing behind it is taken.
  private var hasRefused = false

  init(log: any EventLog, options: IngestOptions, progress: IngestProgress) {
    self.log = log
    self.options = options
    self.progress = progress
  }

  public func step() -> StepOutcome {
    let isEnding = progress.isStopping || (options.once && progress.isReadingDone.load(ordering: .acquiring))
    if hasRefused { return finish() }
    guard let batch = held ?? progress.parsed.take() else {
      guard isEnding else { return .idle(for: .milliseconds(100)) }
      return finish()
    }
    held = nil
    do throws(LogError) {
      try append(batch)
    } catch {
      guard progress.passes(error) else {
        progress.fail(.log(error))
        return finish()
      }
      held = batch
      // Nothing is lost: the file keeps the lines until there is room.
      return progress.isStopping ? finish() : .idle(for: .milliseconds(500))
    }
    return .progressed
  }

  /// Blocks until there may be something to do, at the longest for `timeout`.
  public func wait(for timeout: Duration) { progress.parsed.wait(for: timeout) }

  private func finish() -> StepOutcome {
    progress.isAppendingDone.store(true, ordering: .releasing)
    progress.written.wake()
    return .finished
  }

  private func append(_ batch: ParsedBatch) throws(LogError) {
    var request = AppendRequest(batch: batch.batch)
    if let producer = batch.producer { request.progress = (producer, batch.sequence) }
    // Each round replaces or removes at least one draft, so it ends.
    while true {
      switch try log.append(request) {
      case .written(let written):
        count(batch, written)
        return release(batch)
      case .alreadyWritten: return release(batch)
      case .conflicts(let found):
        if options.strict, let first = found.first, batch.batch.drafts[first.index].envelope.kind == .event {
          hasRefused = true
          return progress.fail(.line(diagnostic(batch, first)))
        }
        try quarantine(found, in: batch)
      case .unexpectedVersion: preconditionFailure("an append without a condition met one")
      }
    }
  }

  private func release(_ batch: ParsedBatch) {
    batch.reset()
    conflicts = 0
    progress.appended.add(1, ordering: .acquiringAndReleasing)
    progress.written.offer(true)
    progress.free.put(batch)
  }

  private func count(_ batch: ParsedBatch, _ written: AppendOutcome.Written) {
    let setAside = batch.quarantined + conflicts
    let conflicts = conflicts
    progress.count { counts in
      counts.lines += batch.lineCount
      counts.quarantined += batch.quarantined
      counts.conflicts += conflicts
      counts.repeats += UInt64(written.repeats)
      counts.events += UInt64(written.count) - min(UInt64(written.count), setAside)
    }
  }

  /// Puts a record about the conflict in the place of each draft that has one. A quarantine record that
  /// conflicts with itself was kept before, under another name of its file: it goes.
  private func quarantine(_ found: [AppendOutcome.Conflict], in batch: ParsedBatch) throws(LogError) {
    let topic = try log.topic(.quarantine, partitions: 1).id
    for conflict in found.sorted(by: { $0.index > $1.index }) {
      guard batch.batch.drafts[conflict.index].envelope.kind == .event else {
        batch.batch.drafts.remove(at: conflict.index)
        batch.places.remove(at: conflict.index)
        continue
      }
      guard let file = batch.file else { preconditionFailure("a batch without a file") }
      let note = note(batch, conflict, file)
      batch.batch.drafts[conflict.index] = QuarantineRecord.draft(
        note, inode: file.status.inode, topic: topic, into: batch.batch)
      conflicts += 1
    }
  }

  private func note(
    _ batch: ParsedBatch, _ conflict: AppendOutcome.Conflict, _ file: SourceFile
  ) -> QuarantineNote {
    let place = batch.places[conflict.index]
    return QuarantineNote(
      code: EnvelopeRule.conflict.code, reason: reason(batch, conflict), file: file.name,
      line: line(batch, conflict), byteOffset: place.offset, lineBytes: place.count,
      rawBase64: QuarantineRecord.base64(batch.chunk[place.range.indices]),
      conflictPosition: conflict.position?.value)
  }

  private func line(_ batch: ParsedBatch, _ conflict: AppendOutcome.Conflict) -> UInt64 {
    (batch.lines?.linesBefore() ?? 0) + batch.places[conflict.index].number
  }

  private func reason(_ batch: ParsedBatch, _ conflict: AppendOutcome.Conflict) -> String {
    let id = batch.batch.bytes.text(batch.batch.drafts[conflict.index].envelope.id)
    let holder = conflict.position.map { "the event at \($0)" } ?? "an earlier line of the same batch"
    return "an identity has one body; `\(id)` is held by \(holder) with another one"
  }

  private func diagnostic(_ batch: ParsedBatch, _ conflict: AppendOutcome.Conflict) -> Diagnostic {
    Diagnostic(
      code: EnvelopeRule.conflict.code, reason(batch, conflict),
      at: SourcePlace(file: batch.file?.name ?? "", line: Int(line(batch, conflict))),
      details: [.init("help", "moontide explain \(EnvelopeRule.conflict.code)")])
  }
}

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
    var rounds = ConflictRounds(batch.batch.drafts, bytes: batch.batch.bytes.count)
    do throws(LogError) { try append(batch, &rounds) } catch {
      // What the log could not take for now is decided anew when it is tried again.
      batch.batch.drafts = rounds.drafts
      batch.batch.bytes.removeLast(batch.batch.bytes.count - rounds.bytes)
      throw error
    }
  }

  private func append(_ batch: ParsedBatch, _ rounds: inout ConflictRounds) throws(LogError) {
    var request = AppendRequest(batch: batch.batch)
    if let producer = batch.producer { request.progress = (producer, batch.sequence) }
    while true {
      switch try log.append(request) {
      case .written(let written):
        count(batch, written, conflicts: rounds.count)
        return release(batch)
      case .alreadyWritten: return release(batch)
      case .conflicts(let found):
        if options.strict, let first = found.first,
          batch.batch.drafts[first.index].envelope.kind != .quarantine
        {
          hasRefused = true
          return progress.fail(.line(diagnostic(batch, first, rounds.order[first.index])))
        }
        rounds.take(found)
        try quarantine(rounds, in: batch)
      case .unexpectedVersion: preconditionFailure("an append without a condition met one")
      }
    }
  }

  private func release(_ batch: ParsedBatch) {
    batch.reset()
    progress.appended.add(1, ordering: .acquiringAndReleasing)
    progress.written.offer(true)
    progress.free.put(batch)
  }

  private func count(_ batch: ParsedBatch, _ written: AppendOutcome.Written, conflicts: UInt64) {
    let setAside = batch.quarantined + conflicts
    progress.count { counts in
      counts.lines += batch.lineCount
      counts.quarantined += batch.quarantined
      counts.conflicts += conflicts
      counts.repeats += UInt64(written.repeats)
      let new = UInt64(written.count) - min(UInt64(written.count), setAside)
      if batch.file?.topic == .commands { counts.commands += new } else { counts.events += new }
    }
  }

  /// Makes the drafts of the next round: a record about the conflict in the place of each line that has one.
  private func quarantine(_ rounds: ConflictRounds, in batch: ParsedBatch) throws(LogError) {
    let topic = try log.topic(.quarantine, partitions: 1).id
    guard let file = batch.file else { preconditionFailure("a batch without a file") }
    batch.batch.bytes.removeLast(batch.batch.bytes.count - rounds.bytes)
    batch.batch.drafts = rounds.order.map { index in
      guard let conflict = rounds.conflict(index) else { return rounds.drafts[index] }
      let note = note(batch, conflict, index, id: rounds.drafts[index].envelope.id, file)
      return QuarantineRecord.draft(note, inode: file.status.inode, topic: topic, into: batch.batch)
    }
  }

  /// - Parameter index: of the parsed draft.
  private func note(
    _ batch: ParsedBatch, _ conflict: AppendOutcome.Conflict, _ index: Int, id: ByteRange, _ file: SourceFile
  ) -> QuarantineNote {
    let place = batch.places[index]
    return QuarantineNote(
      code: EnvelopeRule.conflict.code, reason: reason(batch, conflict, id), file: file.name,
      line: line(batch, index), byteOffset: place.offset, lineBytes: place.count,
      rawBase64: QuarantineRecord.base64(batch.chunk[place.range.indices]),
      conflictPosition: conflict.position?.value)
  }

  private func line(_ batch: ParsedBatch, _ index: Int) -> UInt64 {
    (batch.lines?.linesBefore() ?? 0) + batch.places[index].number
  }

  private func reason(_ batch: ParsedBatch, _ conflict: AppendOutcome.Conflict, _ id: ByteRange) -> String {
    let what = batch.file?.topic == .commands ? "command" : "event"
    let holder = conflict.position.map { "the \(what) at \($0)" } ?? "an earlier line of the same batch"
    return "an identity has one body; `\(batch.batch.bytes.text(id))` is held by \(holder) with another one"
  }

  private func diagnostic(
    _ batch: ParsedBatch, _ conflict: AppendOutcome.Conflict, _ index: Int
  ) -> Diagnostic {
    Diagnostic(
      code: EnvelopeRule.conflict.code,
      reason(batch, conflict, batch.batch.drafts[conflict.index].envelope.id),
      at: SourcePlace(file: batch.file?.name ?? "", line: Int(line(batch, index))),
      details: [.init("help", "moontide explain \(EnvelopeRule.conflict.code)")])
  }
}

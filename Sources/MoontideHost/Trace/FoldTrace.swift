import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Puts together which rows each event of a fold changed, and hands the events on when they are committed, in
/// order, each once.
final class FoldTrace: HandlerTrace {
  private let watch: RowWatch
  private let each: (TracedEvent, RowWatch) throws(Diagnostic) -> Void
  private var pending: [TracedEvent] = []
  private var mark = RowWatch.Mark()

  init(_ watch: RowWatch, each: @escaping (TracedEvent, RowWatch) throws(Diagnostic) -> Void) {
    self.watch = watch
    self.each = each
  }

  func begins(_ record: Record, in batch: RecordBatch, topic: TopicName, isCorrected: Bool) {
    mark = watch.mark
    let start = watch.changes.count
    pending.append(
      TracedEvent(
        record: record, batch: batch, topic: topic, isCorrected: isCorrected, changes: start..<start,
        reads: watch.reads.count..<watch.reads.count))
  }

  func sees(_ record: Record, of stored: Record, in batch: RecordBatch) {
    guard !pending.isEmpty, record.envelope.data != stored.envelope.data else { return }
    pending[pending.count - 1].seen.append(
      "\(batch.bytes.text(record.envelope.type)) v\(record.envelope.version)")
  }

  func ended(isApplied: Bool) {
    guard !pending.isEmpty else { return }
    let last = pending.count - 1
    pending[last].changes = pending[last].changes.lowerBound..<watch.changes.count
    pending[last].reads = pending[last].reads.lowerBound..<watch.reads.count
    if !isApplied { pending[last].outcome = .dropped }
  }

  func failed(_ letter: DeadLetter) {
    watch.undo(to: mark)
    guard let last = pending.indices.last, pending[last].position == letter.position else { return }
    pending[last].outcome = .setAside(letter)
  }

  func skips(_ record: Record, in batch: RecordBatch, topic: TopicName) {
    begins(record, in: batch, topic: topic, isCorrected: false)
    pending[pending.count - 1].outcome = .skipped
  }

  func undone() {
    pending.removeAll(keepingCapacity: true)
    watch.removeAll()
    mark = RowWatch.Mark()
  }

  func committed(before position: Position) throws(Diagnostic) {
    for event in pending { try each(event, watch) }
    undone()
  }
}

import MoontideCore
import MoontideSQLite

/// One stored event that a projection was given by a `TracedFold`, and what it did to rows.
struct TracedEvent {
  enum Outcome {
    /// It was handled, by as many calls of functions as upcasters made events of it: their types and versions
    /// are in `seen`. Empty where the handler met it as it is stored.
    case applied
    /// Upcasters left nothing of it.
    case dropped
    /// A person decided so.
    case skipped
    /// Its script failed: nothing of it stays.
    case setAside(DeadLetter)
  }

  /// As stored, or as a person corrected it; its parts are of `batch`.
  var record: Record
  var batch: RecordBatch
  var topic: TopicName
  var isCorrected = false
  var outcome = Outcome.applied
  /// What upcasters made of it, `OrderPlaced v2`.
  var seen: [String] = []
  /// Of the fold's `RowWatch`.
  var changes: Range<Int>
  /// The same of what it read, where that is tracked.
  var reads = 0..<0

  var position: Position { record.position }
  var type: String { batch.bytes.text(record.envelope.type) }
  var key: String { batch.bytes.text(record.envelope.key) }
  var id: String { batch.bytes.text(record.envelope.id) }
  var time: String { batch.bytes.text(record.envelope.time) }
}

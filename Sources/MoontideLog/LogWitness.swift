import MoontideCore

/// What a checkpoint says of the log beside the indexes: up to here it was durable. A checkpoint is written
/// only after what it covers was flushed, so a log that ends before it has lost events that were
/// acknowledged.
struct LogWitness: Sendable, Hashable {
  /// Both ends are exclusive.
  var position: UInt64
  var batch: UInt64

  init(_ checkpoint: LogCheckpoint) {
    position = checkpoint.point.position
    batch = checkpoint.point.batch
  }

  /// Throws when the log, read to its end, is shorter than it was.
  func check(_ state: LogPoint, last: Segment) throws(LogError) {
    if batch > state.batch {
      throw last.file.damaged(at: last.writtenEnd, reason(endsAt: state.position))
    }
  }

  func reason(endsAt end: UInt64) -> String {
    "the log ends here, at \(Position(end)), and was durable up to \(Position(position))"
  }
}

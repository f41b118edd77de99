public import MoontideCore

/// A log of which an outline can be kept: it says which log it is, and which history.
public protocol OutlinedLog: EventLog {
  /// The random bits that the log was born with.
  var digest: Digest { get }
  /// Of the record right before a position: all that the log knows of it, its time of recording included. Two
  /// histories that share a beginning (a log that was restored from a backup and went on) differ in it from
  /// where they part: what is recorded later has a later time, and positions never stand still. The segments
  /// before it that a repair has changed count too: what it gave up has no record. Nil at the start, and
  /// where the log does not reach.
  func fingerprint(before position: Position) throws(LogError) -> Digest?
}

extension EventLog {
  /// - Parameter repairs: where segments begin that a repair has changed, and their bytes when they are full.
  func fingerprint(
    before position: Position, repairs: [(position: UInt64, bytes: UInt64)]
  ) throws(LogError) -> Digest? {
    guard position > .start, position <= durableEnd else { return nil }
    let batch = RecordBatch()
    _ = try read(from: Position(position.value - 1), records: 1, bytes: 1, into: batch)
    guard var digest = batch.records.first?.fingerprint(in: batch.bytes) else { return nil }
    for repair in repairs where repair.position < position.value {
      digest = digest.adding(repair.position).adding(repair.bytes)
    }
    return digest
  }
}

extension SegmentedLog: OutlinedLog {
  public func fingerprint(before position: Position) throws(LogError) -> Digest? {
    try fingerprint(before: position, repairs: repairs)
  }
}

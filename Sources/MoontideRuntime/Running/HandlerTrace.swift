public import MoontideCore

/// Hears of each stored event that a worker handles, on its thread: what the store sees between `begins` and
/// what follows is of that event. What `undone` is told of comes again; nothing is final before `committed`.
public protocol HandlerTrace: AnyObject {
  /// A stored event that concerns the handler is about to be run. Parts are of `batch`.
  /// - Parameter isCorrected: `record` has the data that a person's decision gave it.
  func begins(_ record: Record, in batch: RecordBatch, topic: TopicName, isCorrected: Bool)
  /// Upcasters made this of it, and a function is about to get it.
  func sees(_ record: Record, of stored: Record, in batch: RecordBatch)
  /// The event was run; not `isApplied` when upcasters left nothing of it for the handler.
  func ended(isApplied: Bool)
  /// The event failed and left nothing: it is set aside.
  func failed(_ letter: DeadLetter)
  /// A person decided that the event is not run.
  func skips(_ record: Record, in batch: RecordBatch, topic: TopicName)
  /// Everything since the last commit is taken back.
  func undone()
  /// Everything since the last commit stands. The batch still has the events.
  /// - Throws: to end the replay: the worker stops with it.
  func committed(before position: Position) throws(Diagnostic)
}

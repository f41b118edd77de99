public import MoontideCore

/// What a desk needs of the project around it. Called on the desk's thread.
public protocol DeskServices: AnyObject {
  /// The record at that position, in `batch`; nil when the log does not have it.
  func record(
    at position: Position, into batch: RecordBatch
  ) throws(Diagnostic) -> (record: Record, topic: TopicName)?
  /// The rows of a statement, one behind the other; bounded.
  func query(_ sql: String) throws(Diagnostic) -> (names: [String], rows: RowBuffer)
  /// A copy of a projection's read model, for calls whose transactions are rolled back.
  func store(of projection: HandlerDefinition) throws(Diagnostic) -> any EffectStore
  /// What a consumer keeps of a key.
  func state(of consumer: HandlerDefinition, topic: TopicName, key: [UInt8]) throws(Diagnostic) -> [UInt8]?
  /// The state of a decider's stream, as JSON.
  func stream(of decider: String, key: String) throws(Diagnostic) -> String
  /// One line of `print`.
  func print(_ text: String)
  /// Whether somebody wants the line that runs to end.
  var isInterrupted: Bool { get }
}

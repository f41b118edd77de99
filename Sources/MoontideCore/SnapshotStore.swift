/// The state of one stream at one version, kept so that the next opening need not fold it from the beginning.
/// A cache: it is used only where the log agrees with it.
public struct StreamSnapshot: Sendable, Hashable {
  public var topic: TopicName
  public var key: [UInt8]
  /// How many events of the stream it is the fold of; at least 1.
  public var version: Int
  /// The last of them.
  public var position: Position
  /// Of the last of them, as the log has it (`Record.fingerprint`).
  public var fingerprint: Digest
  public var state: [UInt8]
  public init(
    topic: TopicName, key: [UInt8], version: Int, position: Position, fingerprint: Digest, state: [UInt8]
  ) {
    self.topic = topic
    self.key = key
    self.version = version
    self.position = position
    self.fingerprint = fingerprint
    self.state = state
  }
}

/// A place in a log that can be told from the same place in another history of it.
public struct LogMark: Sendable, Hashable {
  public var position: Position
  /// Of the record right before it.
  public var fingerprint: Digest
  public init(position: Position, fingerprint: Digest) {
    self.position = position
    self.fingerprint = fingerprint
  }
}

/// Where a decider keeps snapshots: deletable at any time. Owned by one thread.
public protocol SnapshotStore: AnyObject {
  /// The newest one of a stream, or nil; also nil when it is not whole.
  func snapshot(topic: TopicName, key: [UInt8]) throws(StoreError) -> StreamSnapshot?
  /// Keeps these, each in the place of older ones of its stream, and how far commands have been looked
  /// through (exclusive); nil: as far as it was.
  func keep(_ snapshots: [StreamSnapshot], reached: LogMark?) throws(StoreError)
  /// How far commands have been looked through; nil when that is not known.
  func reached() throws(StoreError) -> LogMark?
}

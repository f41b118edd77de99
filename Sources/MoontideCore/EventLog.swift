/// The seam to a durable, partitioned log with one total order. Every implementation passes the same
/// conformance suite. All calls may come from any thread; each returns or throws before it lets go of its
/// arguments.
public protocol EventLog: AnyObject, Sendable {
  /// Writes a batch, or nothing of it. Not yet durable: see `AppendOutcome.Written.durableWhen`.
  func append(_ request: AppendRequest) throws(LogError) -> AppendOutcome

  /// Makes everything that was written before the call durable with one flush (which calls of other
  /// threads share) and returns the new durable end. A failed flush makes the log read-only.
  @discardableResult func flush() throws(LogError) -> Position

  /// Fills `batch` (emptied first) with durable records from `start` on, at most `records` of them and
  /// about `bytes` bytes, but at least one if there is one. Returns where to go on: past the last
  /// record looked at.
  func read(from start: Position, records: Int, bytes: Int, into batch: RecordBatch) throws(LogError)
    -> Position

  /// The same for the durable events of one key, oldest first, from the one at index `version` on (0: all).
  /// Returns the next index; only at the end of the stream it is `version` itself.
  func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, bytes: Int, into batch: RecordBatch
  ) throws(LogError) -> Int

  /// Where a record lies, or nil: of an identity or an offset the record itself; of a time the
  /// first position at or after it.
  func position(of place: LogPlace) throws(LogError) -> Position?

  /// The high watermark over the whole log: the first position that is not yet durable.
  var durableEnd: Position { get }

  /// All topics, by id, system topics included.
  func topics() -> [TopicDescription]

  /// The topic of that name, created with `partitions` when it is new; it becomes durable with the next
  /// flush. Throws `partitionCount` when it exists with another count; nil takes what is there, or
  /// `Limits.partitionsDefault`.
  func topic(_ name: TopicName, partitions: UInt16?) throws(LogError) -> TopicDescription

  /// The end (exclusive) of the sequence numbers that this producer has durably or not yet durably
  /// written; nil for an unknown one.
  func sequenceEnd(of producer: ProducerID) -> UInt64?

  /// Blocks until the durable end is past `position`, or the deadline: true when it is.
  func wait(past position: Position, for timeout: Duration) -> Bool
}

extension EventLog {
  /// The same within `Limits.keyReadBytesMax`.
  public func read(
    topic: TopicID, key: [UInt8], from version: Int, records: Int, into batch: RecordBatch
  ) throws(LogError) -> Int {
    try read(
      topic: topic, key: key, from: version, records: records, bytes: Limits.keyReadBytesMax, into: batch)
  }
}

/// Who appends: a source file by its identity, a handler's outbox, a client. 1 to 512 bytes.
public struct ProducerID: Hashable, Sendable, CustomStringConvertible {
  public let text: String
  public init(_ text: String) {
    precondition(
      (1...512).contains(text.utf8.count), "a producer id has 1 to 512 bytes, not \(text.utf8.count)")
    self.text = text
  }
  public var description: String { text }
}

/// What is written at once: all of it or nothing.
public struct AppendRequest {
  /// Events and quarantine records, at most `Limits.batchRecordsMax`; may be empty when `progress` says how
  /// far a producer has come.
  public var batch: DraftBatch
  /// The producer and the sequence numbers that this batch stands for (for a file: byte offsets). The
  /// log refuses a batch whose lower bound is not the producer's `sequenceEnd` (or its first), and
  /// answers `.alreadyWritten` when the upper bound is not above it.
  public var progress: (producer: ProducerID, sequence: Range<UInt64>)?
  /// A condition on one stream: written only when that key has exactly this many events.
  public var expected: (topic: TopicID, key: [UInt8], version: Int)?

  public init(
    batch: DraftBatch, progress: (producer: ProducerID, sequence: Range<UInt64>)? = nil,
    expected: (topic: TopicID, key: [UInt8], version: Int)? = nil
  ) {
    self.batch = batch
    self.progress = progress
    self.expected = expected
  }
}

public enum AppendOutcome: Sendable {
  case written(Written)
  /// The producer wrote these sequence numbers before. The position is the end to wait for before
  /// saying so to anyone.
  case alreadyWritten(durableWhen: Position)
  /// Nothing was written: these drafts carry a known identity with another body. The caller replaces them and
  /// appends again.
  case conflicts([Conflict])
  /// Nothing was written: the stream has another version.
  case unexpectedVersion(actual: Int)

  public struct Conflict: Sendable, Hashable {
    /// Index into the request's drafts.
    public var index: Int
    /// The event that holds the identity, or nil when it is an earlier draft of the same request.
    public var position: Position?
    public init(index: Int, position: Position?) {
      self.index = index
      self.position = position
    }
  }

  public struct Written: Sendable {
    /// The first position that was given, and how many records: repeats take none.
    public var first: Position
    public var count: Int
    /// How many drafts repeated a known event, body and all.
    public var repeats: Int
    /// Acknowledge once `durableEnd` is at or past this; covers the originals of repeats too.
    public var durableWhen: Position
    public init(first: Position, count: Int, repeats: Int, durableWhen: Position) {
      self.first = first
      self.count = count
      self.repeats = repeats
      self.durableWhen = durableWhen
    }
  }
}

public enum LogPlace: Sendable, Hashable {
  case identity(topic: TopicID, source: [UInt8], id: [UInt8])
  case offset(topic: TopicID, partition: UInt16, offset: Offset)
  /// The first position that was recorded at or after the instant.
  case recorded(EventTime)
}

/// What a log may say no with. `code` and `fix` are for the renderer of errors.
public enum LogError: Error, Sendable, Equatable {
  /// The file system refused; the log is as it was before the call unless it says read-only.
  case file(FileError)
  /// A flush or a write failed in a way that leaves the tail unknown; reopen to go on.
  case readOnly(reason: String)
  case damaged(file: String, byteOffset: UInt64, reason: String)
  case unsupportedFormat(file: String, version: UInt32, supported: UInt32)
  case partitionCount(topic: TopicName, has: UInt16, asked: UInt16)
  case tooManyTopics(limit: Int)
  case tooLarge(what: String, bytes: Int, limit: Int)
  /// A repair met a topic whose declaration is lost: somebody has to name it.
  case lostTopic(id: TopicID, file: String, byteOffset: UInt64)
  /// A producer skipped sequence numbers.
  case sequenceGap(producer: ProducerID, expected: UInt64, got: UInt64)
}

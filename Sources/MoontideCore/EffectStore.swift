/// The seam to what a handler keeps: its rows, state, outbox, dead letters and checkpoints, changed together
/// or not at all. One store belongs to one thread from birth to death; a handler with lanes has a store per
/// lane over the same file.
public protocol EffectStore: AnyObject {
  /// The handler's own tables, in the order of its schema; empty for a consumer.
  var tables: [StoreTable] { get }
  /// Everything that a worker must know before it goes on.
  func ledger() throws(StoreError) -> HandlerLedger
  /// The code of the dead letter of that event, or nil when there is none.
  func deadCode(_ position: Position) throws(StoreError) -> String?
  /// The outbox from that sequence number on (inclusive), oldest first.
  func outbox(from sequence: UInt64, limit: Int) throws(StoreError) -> [OutboxEvent]
  /// Begins the only transaction of this store. A folding one may hold back and merge row operations until
  /// they are read or committed; it then can throw `foldedConstraint` and must be rolled back and
  /// run again without folding.
  func begin(folding: Bool) throws(StoreError) -> any EffectTransaction
}

/// One transaction; ended by `commit` or `rollback`, after which no other call is allowed.
public protocol EffectTransaction: AnyObject {
  /// Runs an operation on a row. `arguments` and `result` hold cells as `RowOperation` says.
  /// Returns whether a row was there (`get`, `update`, `delete`), else true.
  func row(
    _ operation: RowOperation, table: Int, arguments: RowBuffer, result: RowBuffer
  ) throws(StoreError) -> Bool
  /// How long each `sql` and `each` from now on may take. What takes longer is stopped, wherever it is, and
  /// throws `refused`; the transaction may then be lost.
  var timeLeft: Duration { get set }
  /// The store undid all of it by itself, since it had to stop a statement that wrote: only `rollback` may
  /// follow.
  var isLost: Bool { get }
  /// Runs one SQL statement on the handler's own tables; `result` gets the rows one after another. Returns
  /// the names of the columns (empty for a statement without rows).
  func sql(_ text: String, arguments: RowBuffer, result: RowBuffer) throws(StoreError) -> [String]
  /// The consumer's state of one key, or nil.
  func state(topic: TopicName, key: [UInt8]) throws(StoreError) -> [UInt8]?
  func write(_ entry: EffectEntry) throws(StoreError)
  /// Marks a place to come back to; a second call moves the mark.
  func savepoint() throws(StoreError)
  func rollbackToSavepoint() throws(StoreError)
  func commit() throws(StoreError)
  func rollback() throws(StoreError)
}

/// For what runs no SQL.
extension EffectTransaction {
  public var timeLeft: Duration {
    get { Limits.handlerTimeDefault }
    set {}
  }
  public var isLost: Bool { false }
}

/// The shape of one table, as `db.NAME` shows it.
public struct StoreTable: Sendable, Hashable {
  public var name: String
  /// At most `Limits.columnsMax`, in the order of the schema, generated columns left out.
  public var columns: [String]
  /// Indexes into `columns` of the primary key, in its order; empty when the table has none (an FTS5
  /// table is keyed by its first UNINDEXED column).
  public var keyColumns: [Int]
  public init(name: String, columns: [String], keyColumns: [Int]) {
    self.name = name
    self.columns = columns
    self.keyColumns = keyColumns
  }
}

/// What `db.T:name` does. "A row" below is one cell per column, in the order of `StoreTable.columns`,
/// `absent` where the script named none; "a key" one cell per key column.
@frozen public enum RowOperation: UInt8, Sendable {
  /// arguments: a row. Writes the named columns of the row with that key, creating it.
  case put = 1
  /// arguments: a key. result: a row, when there is one.
  case get = 2
  /// arguments: a key, then a row of changes.
  case update = 3
  /// arguments: a key.
  case delete = 4
  /// arguments: a key, then a row of numbers to add; NULL counts as 0; creates the row.
  case add = 5
  /// arguments: a row of conditions (equal, or NULL). result: the rows, in key order.
  case each = 6
}

/// What a transaction can write beside rows.
public enum EffectEntry: Sendable {
  /// The next position of every one of these partitions.
  case checkpoint([TopicPartition], Position)
  /// State of a key; nil removes it.
  case state(topic: TopicName, key: [UInt8], value: [UInt8]?)
  case emit(OutboxEvent)
  /// The outbox up to that sequence number (exclusive) is in the log.
  case relayed(below: UInt64)
  /// A key is parked, or its entry changes.
  case parked(ParkedKey)
  /// The key goes on; nothing of it is held.
  case unparked(topic: TopicName, key: [UInt8])
  /// An event waits behind its parked key.
  case held(topic: TopicName, key: [UInt8], position: Position)
  case released(topic: TopicName, key: [UInt8], position: Position)
  case dead(DeadLetter)
  /// The event at that position is no dead letter any more; nothing when it is none.
  case revived(Position)
  /// Into the ledger of effects.
  case effect(LedgerChange)
  /// Added to the handler's counts.
  case count(applied: UInt64, skipped: UInt64)
  /// Of a saga: an instance with its timers and what it sent, in the place of what was kept of it.
  case saga(SagaRow)
  /// Of a saga: the running maximum of event time, microseconds since 1970.
  case eventTime(Int64)
  /// Of a saga: events that belong to no instance, added to their count.
  case unknown(UInt64)
  /// Of a saga: the sources of its script, and what is known of instances without reading them.
  case sagaChange(SagaChange)
}

public struct TopicPartition: Hashable, Sendable, Comparable {
  public var topic: TopicName
  public var partition: UInt16
  public init(topic: TopicName, partition: UInt16) {
    self.topic = topic
    self.partition = partition
  }
  public static func < (a: TopicPartition, b: TopicPartition) -> Bool {
    (a.topic, a.partition) < (b.topic, b.partition)
  }
}

/// What the file of a handler remembers.
public struct HandlerLedger: Sendable {
  /// Of every partition that was ever checkpointed.
  public var checkpoints: [TopicPartition: Position]
  public var parked: [ParkedKey]
  public var deadLetters: Int
  /// The code of every dead letter, by its position.
  public var deadCodes: [Position: String] = [:]
  /// Of a projection: how many decisions about its dead letters its rows follow, the first ones of the log.
  public var decided = 0
  /// The position of the first dead letter of a projection, since which its rows are not fold(log).
  public var degradedSince: Position?
  public var applied: UInt64
  public var skipped: UInt64
  /// The sequence number that the next emitted event gets.
  public var nextOutbox: UInt64
  /// Of a saga: the running maximum of event time, and how many events belonged to no instance.
  public var eventTime = Int64.min
  public var unknown: UInt64 = 0
  public init(
    checkpoints: [TopicPartition: Position] = [:], parked: [ParkedKey] = [], deadLetters: Int = 0,
    degradedSince: Position? = nil, applied: UInt64 = 0, skipped: UInt64 = 0, nextOutbox: UInt64 = 0
  ) {
    self.checkpoints = checkpoints
    self.parked = parked
    self.deadLetters = deadLetters
    self.degradedSince = degradedSince
    self.applied = applied
    self.skipped = skipped
    self.nextOutbox = nextOutbox
  }
}

/// A key whose event failed: its later events wait behind it.
public struct ParkedKey: Sendable, Hashable {
  public enum Status: UInt8, Sendable {
    /// Retried in the background.
    case retrying = 1
    /// Its attempts are used up: a dead letter waits for a person.
    case dead = 2
    /// Of a saga: what failed is the firing of a timer whose record is still on its way through the log.
    case awaiting = 3
  }
  public var topic: TopicName
  public var key: [UInt8]
  /// The event that failed.
  public var position: Position
  public var status: Status
  /// How often it was tried.
  public var attempts: Int
  /// When the next try is due, microseconds since 1970.
  public var dueMicroseconds: Int64
  /// Positions behind it, in order.
  public var held: [Position]
  public init(
    topic: TopicName, key: [UInt8], position: Position, status: Status, attempts: Int, dueMicroseconds: Int64,
    held: [Position] = []
  ) {
    self.topic = topic
    self.key = key
    self.position = position
    self.status = status
    self.attempts = attempts
    self.dueMicroseconds = dueMicroseconds
    self.held = held
  }
}

/// An event that a handler could not apply. Its id in commands is `d-` and the position.
public struct DeadLetter: Sendable, Hashable {
  public var position: Position
  public var topic: TopicName
  public var partition: UInt16
  public var offset: Offset
  public var key: [UInt8]
  public var eventID: [UInt8]
  public var eventType: String
  public var eventVersion: UInt32
  /// The event's time as written.
  public var eventTime: String
  /// A code of `explain`.
  public var code: String
  /// The error, without its place.
  public var message: String
  /// The script, relative to the project, and the line from 1; empty and 0 when unknown.
  public var file: String
  public var line: Int
  public var attempts: Int
  /// Of the script that failed, as `handlers` shows it.
  public var scriptVersion: String
  public init(
    position: Position, topic: TopicName, partition: UInt16, offset: Offset, key: [UInt8], eventID: [UInt8],
    eventType: String, eventVersion: UInt32, eventTime: String, code: String, message: String, file: String,
    line: Int, attempts: Int, scriptVersion: String
  ) {
    self.position = position
    self.topic = topic
    self.partition = partition
    self.offset = offset
    self.key = key
    self.eventID = eventID
    self.eventType = eventType
    self.eventVersion = eventVersion
    self.eventTime = eventTime
    self.code = code
    self.message = message
    self.file = file
    self.line = line
    self.attempts = attempts
    self.scriptVersion = scriptVersion
  }
}

/// An emitted event between its commit and the log.
public struct OutboxEvent: Sendable, Hashable {
  /// Dense, rising, given by the store at `write`; what the writer sets is ignored.
  public var sequence: UInt64
  public var topic: TopicName
  public var id: [UInt8]
  public var source: [UInt8]
  public var type: [UInt8]
  public var version: UInt32
  public var key: [UInt8]
  /// RFC 3339.
  public var time: [UInt8]
  /// A JSON object without whitespace between its tokens.
  public var data: [UInt8]
  /// A JSON object, or empty.
  public var meta: [UInt8]
  /// The event that caused it.
  public var cause: Position
  public init(
    sequence: UInt64 = 0, topic: TopicName, id: [UInt8], source: [UInt8], type: [UInt8], version: UInt32,
    key: [UInt8], time: [UInt8], data: [UInt8], meta: [UInt8], cause: Position
  ) {
    self.sequence = sequence
    self.topic = topic
    self.id = id
    self.source = source
    self.type = type
    self.version = version
    self.key = key
    self.time = time
    self.data = data
    self.meta = meta
    self.cause = cause
  }
}

extension EffectStore {
  /// Writes entries in a transaction of their own, all or none of them.
  public func commit(_ entries: [EffectEntry]) throws(StoreError) {
    let transaction = try begin(folding: false)
    do throws(StoreError) {
      for entry in entries { try transaction.write(entry) }
      try transaction.commit()
    } catch {
      try transaction.rollback()
      throw error
    }
  }
}

public enum StoreError: Error, Sendable, Equatable {
  /// The statement or the values are wrong: the script's fault. The text is SQLite's or ours.
  case refused(String)
  /// A constraint of the schema failed for this call.
  case constraint(String)
  /// A constraint failed when merged operations were written: run the batch again without folding.
  case foldedConstraint(String)
  /// No room on the disk: wait and try again.
  case full(path: String)
  /// The system is short of something else that comes back, such as file descriptors: wait and try again.
  case exhausted(path: String, reason: String)
  /// The file cannot be used as it is.
  case damaged(path: String, reason: String)
  case io(path: String, reason: String)
}

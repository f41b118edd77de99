/// What an effect does outside of the process.
public enum EffectKind: String, Sendable, Hashable, CaseIterable {
  /// One HTTP request.
  case http
  /// One run of a program that the settings name.
  case exec
  /// One line at the end of a file of the project.
  case log
}

/// How far an effect has come.
public enum EffectStatus: UInt8, Sendable, Hashable {
  /// Its turn has not come, or its first try is not over.
  case waiting = 0
  /// The last try failed; there will be another one.
  case failed = 1
  case done = 2
  /// Given up by policy, or refused in a way that no other try changes.
  case dead = 3

  /// Whether there is something left to do.
  public var isOpen: Bool { self == .waiting || self == .failed }
}

/// An effect as the ledger of its handler keeps it: recorded with the checkpoint of the event that caused it,
/// performed afterwards.
public struct LedgerEffect: Sendable, Hashable {
  /// Dense, rising, given by the store when it is recorded; what the writer sets is ignored.
  public var sequence: UInt64
  /// The idempotency key: made of handler, topic, the cause's identity and an ordinal. One store has it once.
  public var key: String
  public var kind: EffectKind
  /// Whom it goes to, for the circuit and for people: `https://host:port`, a program, a file. It shows no
  /// secret: a reference stands there as `${NAME}`.
  public var target: String
  /// The request as JSON with holes where references to the environment stand; see `EffectTemplate` of the
  /// runtime. Never a value of the environment.
  public var request: [UInt8]
  /// Topic and key of the cause: effects of one key are performed in order.
  public var topic: TopicName
  public var orderKey: [UInt8]
  /// The event that caused it.
  public var cause: Position
  /// A JSON object: what the record of its result says of its cause.
  public var meta: [UInt8]
  public var status: EffectStatus
  /// From 1 on; one more each time that a person has it performed again.
  public var round: Int
  /// Tries of this round that are over.
  public var attempts: Int
  /// When the next try is due, microseconds since 1970; 0: at once.
  public var dueMicroseconds: Int64
  /// Why the last try failed; without secrets.
  public var error: String
  /// What came back, a JSON object without secrets; empty until it ended.
  public var result: [UInt8]
  /// When it ended, microseconds since 1970; 0 until then.
  public var endedMicroseconds: Int64
  /// The version of the script that caused it; empty where that was not written down.
  public var scriptVersion = ""

  public init(
    sequence: UInt64 = 0, key: String, kind: EffectKind, target: String, request: [UInt8], topic: TopicName,
    orderKey: [UInt8], cause: Position, meta: [UInt8], status: EffectStatus = .waiting, round: Int = 1,
    attempts: Int = 0, dueMicroseconds: Int64 = 0, error: String = "", result: [UInt8] = [],
    endedMicroseconds: Int64 = 0
  ) {
    self.sequence = sequence
    self.key = key
    self.kind = kind
    self.target = target
    self.request = request
    self.topic = topic
    self.orderKey = orderKey
    self.cause = cause
    self.meta = meta
    self.status = status
    self.round = round
    self.attempts = attempts
    self.dueMicroseconds = dueMicroseconds
    self.error = error
    self.result = result
    self.endedMicroseconds = endedMicroseconds
  }
}

/// What a transaction can write into the ledger.
public enum LedgerChange: Sendable, Hashable {
  /// Once for each key: a second time, whatever it asks for, changes nothing.
  case recorded(LedgerEffect)
  /// A try failed and there will be another one.
  case failed(sequence: UInt64, attempts: Int, dueMicroseconds: Int64, error: String)
  /// It is done or dead.
  case ended(
    sequence: UInt64, status: EffectStatus, attempts: Int, result: [UInt8], error: String,
    endedMicroseconds: Int64)
  /// A person has one that ended performed again, at once, under the same key: its next round.
  case again(sequence: UInt64)
  /// Those that are done and lie below that number need not be kept any more: the log has their results.
  case forgotten(below: UInt64)
}

/// The ledger of a handler, as the one who performs its effects sees it. The same thread and the same file as
/// the `EffectStore` that it is part of.
public protocol EffectLedger: EffectStore {
  /// Effects that are waiting or failed, from that sequence number on (inclusive), oldest first; without
  /// request, meta and result, which `effect` gives.
  func openEffects(from sequence: UInt64, limit: Int) throws(StoreError) -> [LedgerEffect]
  /// One effect, whole; nil when there is none of that number.
  func effect(_ sequence: UInt64) throws(StoreError) -> LedgerEffect?
  /// The end (exclusive) of the numbers that were given.
  func effectEnd() throws(StoreError) -> UInt64
}

/// Which effects of a ledger, and how much of them, are wanted.
public struct LedgerSelection: Sendable, Hashable {
  /// Of that key; nil: of all.
  public var key: String?
  /// In one of these states; nil: in any.
  public var statuses: Set<EffectStatus>?
  /// Long parts, empty where they are not asked for.
  public var withResults = false
  public var withRequests = false

  public init(key: String? = nil, statuses: Set<EffectStatus>? = nil) {
    self.key = key
    self.statuses = statuses
  }
}

/// How many effects of a ledger stand where.
public struct LedgerCounts: Sendable, Hashable {
  /// Waiting or failed: something is left to do.
  public var open: UInt64 = 0
  public var done: UInt64 = 0
  public var dead: UInt64 = 0
  public init(open: UInt64 = 0, done: UInt64 = 0, dead: UInt64 = 0) {
    self.open = open
    self.done = done
    self.dead = dead
  }
}

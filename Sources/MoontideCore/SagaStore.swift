/// What a saga's file gives beside that of a consumer: its instances, found by their correlation value, by
/// what they sent and by when their timers are due. Reads what is committed; the saga's own worker knows what
/// its open transaction changed. Owned by one thread.
public protocol SagaStore: EffectStore {
  /// The instance of that correlation value, or nil.
  func saga(_ key: [UInt8]) throws(StoreError) -> SagaRow?
  /// The correlation value of the instance that sent the command of that id, or nil.
  func sagaKey(ofCommand id: [UInt8]) throws(StoreError) -> [UInt8]?
  /// The correlation values of instances with that `trace`, at most `limit`.
  func sagaKeys(traced trace: [UInt8], limit: Int) throws(StoreError) -> [[UInt8]]
  /// Timers of that clock that are due at the instant or before, the earliest first, at most `limit`.
  func timers(_ clock: SagaTimerRow.Clock, through microseconds: Int64, limit: Int) throws(StoreError)
    -> [SagaTimerRow]
  /// Timers of event time behind `last` in the order of `SagaTimerRow.isBefore`, at most `limit`; nil: from
  /// the first on.
  func timers(after last: SagaTimerRow?, limit: Int) throws(StoreError) -> [SagaTimerRow]
  /// When the earliest timer of that clock is due; nil without one.
  func nextTimer(_ clock: SagaTimerRow.Clock) throws(StoreError) -> Int64?
  /// Instances that have not ended and do not stand by that version of the script, by version and correlation
  /// value, behind `last`, at most `limit`. What stands by it is not gone over.
  func openSagas(except version: String, after last: SagaRow?, limit: Int) throws(StoreError) -> [SagaRow]
  /// The sources that make that version of the script; empty when they are not kept.
  func sources(ofVersion version: String) throws(StoreError) -> [SagaSource]
}

/// One instance of a saga as it is kept.
public struct SagaRow: Sendable, Hashable {
  /// The correlation value.
  public var key: [UInt8]
  /// What people see: `running`, `compensating`, `stuck` and so on.
  public var status: String
  /// Whether nothing happens any more unless a success comes late.
  public var hasEnded: Bool
  /// The correlation id of the chain of events that began it.
  public var trace: [UInt8]
  /// The event that began it, and the record that changed it last.
  public var began: Position
  public var changed: Position
  /// Event time of that change, microseconds since 1970.
  public var changedMicroseconds: Int64
  /// Why it compensates, or empty.
  public var reason: String
  /// Of the script by which it stands.
  public var scriptVersion: String
  /// Its own variables, encoded as `StateCodec` reads them.
  public var state: [UInt8]
  /// Steps, commands on their way and notes, as the runtime writes them: a JSON object.
  public var body: [UInt8]
  public var timers: [SagaTimerRow]
  /// Whether they may be others than those that are kept; if not, they are not written.
  public var hasNewTimers = true
  /// Whether there may be no such instance yet, or one that has ended or stands by another version where this
  /// one does not: what else changes is written with less work.
  public var isNewlyPlaced = true
  /// Ids of the commands that it ever sent.
  public var sent: [[UInt8]]

  public init(
    key: [UInt8], status: String, hasEnded: Bool, trace: [UInt8], began: Position, changed: Position,
    changedMicroseconds: Int64, reason: String, scriptVersion: String, state: [UInt8], body: [UInt8],
    timers: [SagaTimerRow], sent: [[UInt8]]
  ) {
    self.key = key
    self.status = status
    self.hasEnded = hasEnded
    self.trace = trace
    self.began = began
    self.changed = changed
    self.changedMicroseconds = changedMicroseconds
    self.reason = reason
    self.scriptVersion = scriptVersion
    self.state = state
    self.body = body
    self.timers = timers
    self.sent = sent
  }
}

/// A timer of one instance.
public struct SagaTimerRow: Sendable, Hashable {
  /// What makes it fire.
  public enum Clock: UInt8, Sendable {
    /// Event time, and the time of day once the saga has caught up, unless it says `clock = "event"`.
    case event = 1
    /// The time of day alone: another try of a compensation.
    case wall = 2
  }
  public var key: [UInt8]
  /// Rising over all timers that the instance ever set; names the timer for good.
  public var ordinal: UInt64
  /// What it is about: `name NAME` as `ctx.timer` sets it, `step NAME`, `retry NAME`.
  public var purpose: String
  public var clock: Clock
  public var dueMicroseconds: Int64
  /// Its firing is on its way through the log: it does not fire before that is read.
  public var isAnnounced: Bool

  public init(
    key: [UInt8], ordinal: UInt64, purpose: String, clock: Clock, dueMicroseconds: Int64, isAnnounced: Bool
  ) {
    self.key = key
    self.ordinal = ordinal
    self.purpose = purpose
    self.clock = clock
    self.dueMicroseconds = dueMicroseconds
    self.isAnnounced = isAnnounced
  }
  /// The order in which timers fire: of time, then of the correlation value, then of setting.
  public func isBefore(_ other: SagaTimerRow) -> Bool {
    if dueMicroseconds != other.dueMicroseconds { return dueMicroseconds < other.dueMicroseconds }
    if key != other.key { return key.lexicographicallyPrecedes(other.key) }
    return ordinal < other.ordinal
  }
}

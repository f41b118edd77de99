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
  /// Timers of that clock that are due at the instant or before, the earliest first, at most `limit`; none
  /// that waits with what is parked.
  func timers(_ clock: SagaTimerRow.Clock, through microseconds: Int64, limit: Int) throws(StoreError)
    -> [SagaTimerRow]
  /// Timers of event time behind `last` in the order of `SagaTimerRow.isBefore`, at most `limit`; nil: from
  /// the first on. None that waits with what is parked.
  func timers(after last: SagaTimerRow?, limit: Int) throws(StoreError) -> [SagaTimerRow]
  /// When the earliest timer of that clock is due; nil without one. Those that wait with what is parked are
  /// left out.
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
  /// Whether its firing went to the log before it fired.
  public var announcement: TimerAnnouncement

  public init(
    key: [UInt8], ordinal: UInt64, purpose: String, clock: Clock, dueMicroseconds: Int64,
    announcement: TimerAnnouncement = .none
  ) {
    self.key = key
    self.ordinal = ordinal
    self.purpose = purpose
    self.clock = clock
    self.dueMicroseconds = dueMicroseconds
    self.announcement = announcement
  }

  /// The order in which timers fire: of time, then of the correlation value, then of setting.
  public func isBefore(_ other: SagaTimerRow) -> Bool {
    if dueMicroseconds != other.dueMicroseconds { return dueMicroseconds < other.dueMicroseconds }
    if key != other.key { return key.lexicographicallyPrecedes(other.key) }
    return ordinal < other.ordinal
  }
}

/// Why the firing of a timer that is still set is in the log, or on its way there.
public enum TimerAnnouncement: Sendable, Hashable {
  case none
  /// The time of day reached it. It fires where its record is read, or before, should event time reach it
  /// there: a replay that has only event time meets it at the same place.
  case byClock
  /// Its instance is parked, or its function failed: its turn comes with what waits there, before the record
  /// at that position.
  case waits(Position)

  /// 0, 1, or 2 and the position.
  public init(stored: Int64) {
    switch stored {
    case 0: self = .none
    case 1: self = .byClock
    default: self = .waits(Position(UInt64(bitPattern: stored &- 2)))
    }
  }

  public var stored: Int64 {
    switch self {
    case .none: 0
    case .byClock: 1
    case .waits(let position): Int64(bitPattern: position.value) &+ 2
    }
  }
}

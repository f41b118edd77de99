public import MoontideCore

/// One run of a saga for one correlation value: where its steps stand, what it waits for. A value; everything
/// that changes it is in `SagaMachine`.
public struct SagaInstance: Sendable, Hashable {
  public enum Status: String, Sendable, Hashable, CaseIterable {
    case running
    /// All steps are done; `completed` was called and its command is not accepted yet.
    case completing
    case compensating
    /// All compensations are done; `compensated` was called and its command is not accepted yet.
    case concluding
    case completed
    case compensated
    /// The tries of a compensation, of `completed` or of `compensated` are used up.
    case stuck
  }

  /// Why it compensates: what `compensated` gets.
  public struct Why: Sendable, Hashable {
    /// `STEP: timeout`, `STEP: CODE`, or what `ctx.compensate` was given.
    public var reason: String
    /// The step that failed, or empty.
    public var step: String
    /// Of a rejection or a failure, or empty.
    public var code: String
    public var text: String
    public init(reason: String, step: String = "", code: String = "", text: String = "") {
      self.reason = reason
      self.step = step
      self.code = code
      self.text = text
    }
  }

  /// A command whose outcome is not known.
  public struct Pending: Sendable, Hashable {
    public var id: [UInt8]
    public var purpose: SagaPurpose
    /// Its place among the commands of its call, from 0.
    public var place = 0
    /// Where its outcome stands in event time: the time of what caused it.
    public var microseconds: Int64
  }

  /// Something that changed nothing, for people.
  public struct Note: Sendable, Hashable {
    public enum Kind: String, Sendable, Hashable {
      /// After the end.
      case late
      /// Of no use where the instance stands: a second success, a failure of a step that is done.
      case ignored
      /// A command that `ctx.send` sent was rejected or failed.
      case rejected
      /// It was brought to the steps of an edited script.
      case migrated
    }
    public var kind: Kind
    public var text: String
    public var position: Position
  }

  public var key: [UInt8]
  public var trace: [UInt8]
  /// How long the chain of events was that began it.
  public var depth: Int
  public var status: Status
  /// Encoded as `StateCodec` reads it.
  public var state: [UInt8]
  public var steps: [SagaStepState]
  /// The index of the stage that runs; as many as there are when all are done.
  public var stage: Int
  public var why: Why?
  public var pending: [Pending] = []
  public var timers: [SagaTimer] = []
  public var notes: [Note] = []
  /// Timers that it ever set.
  public var timersSet: UInt64 = 0
  /// Timers that fired late one after the other, with nothing else between: see `Limits.sagaFiringsInRowMax`.
  public var firings = 0
  /// Failed tries of `completed` or `compensated`, and how the commands of the try that runs stand.
  public var tries = 0
  public var call = SagaCall()
  /// Where it stood when it stuck.
  public var stuckIn: Status?
  /// `compensated` was called and its command accepted: a compensation after it does not call it again.
  public var hasConcluded = false
  /// The version of the script by which it stands; empty before it is kept.
  public var version = ""
  /// How often it was brought to the steps of an edited script.
  public var migrations: UInt64 = 0
  public var began: Position
  public var changed: Position
  public var microseconds: Int64

  public init(key: [UInt8], trace: [UInt8], depth: Int, state: [UInt8], plan: SagaPlan, at moment: SagaMoment)
  {
    self.key = key
    self.trace = trace
    self.depth = depth
    self.state = state
    status = .running
    steps = plan.steps.map { SagaStepState(name: $0.name) }
    stage = 0
    began = moment.position
    changed = moment.position
    microseconds = moment.microseconds
  }

  /// Whether it came to its end; a late success may still open it again.
  public var hasEnded: Bool { status == .completed || status == .compensated }
}

/// What a command is for.
public enum SagaPurpose: Sendable, Hashable {
  case step(Int)
  case compensation(Int)
  case completion
  case conclusion
  /// Sent by `ctx.send`.
  case free
}

/// Where in the log and when something happens to an instance.
public struct SagaMoment: Sendable, Hashable {
  public var position: Position
  /// Event time; what delays count from.
  public var microseconds: Int64
  public init(_ position: Position, _ microseconds: Int64) {
    self.position = position
    self.microseconds = microseconds
  }
}

/// How one step of an instance stands.
public struct SagaStepState: Sendable, Hashable {
  public enum Phase: String, Sendable, Hashable {
    /// Its turn has not come.
    case idle
    /// Sent, or waiting for what others do.
    case waiting
    case succeeded
    /// `send` returned nothing: there was nothing to do, and there is nothing to undo.
    case skipped
    /// Rejected, failed, or an event of `fails_on`: nothing was done.
    case failed
    /// No answer in time: it may have been done.
    case timedOut
    /// Another step failed or the saga was cancelled while it waited: it may have been done.
    case abandoned
    case compensating
    case compensated
    /// Its compensation is given up until a person asks for it again.
    case stuck
  }

  /// What came before its turn.
  public enum Early: Sendable, Hashable {
    case success(Position)
    case failure(Position, type: String)
  }

  public var name: String
  public var phase = Phase.idle
  /// Event time since which it is in the phase.
  public var since: Int64 = 0
  /// Where the event lies that says that it was done; a compensation gets it.
  public var result: Position?
  public var early: Early?
  /// Whether a command of `send` was refused: that others of it are accepted does not say that it is done.
  public var isRefused = false
  /// How the commands of `send`, or of the compensation that runs, stand.
  public var call = SagaCall()
  /// Failed tries of the compensation that runs.
  public var tries = 0
  /// Whether the compensation that runs, or ran, was called without a result: it is owed a second call should
  /// a success come late.
  public var isBlind = false
  /// Whether that second call is still to be made.
  public var owes = false

  public init(name: String) { self.name = name }
}

/// A timer of an instance.
public struct SagaTimer: Sendable, Hashable {
  public enum Purpose: Sendable, Hashable {
    /// Set by `ctx.timer`.
    case named(String)
    /// The timeout of a step.
    case step(Int)
    /// Another try: of a step's compensation, or with nil of `completed` or `compensated`.
    case retry(Int?)
  }
  public var ordinal: UInt64
  public var purpose: Purpose
  public var due: Int64
  public var announcement = TimerAnnouncement.none

  /// What makes it fire.
  public var clock: SagaTimerRow.Clock {
    if case .retry = purpose { return .wall }
    return .event
  }
}

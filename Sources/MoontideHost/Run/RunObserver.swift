public import MoontideCore

/// Sees a run from outside. All calls come from the thread that called `run`; an error thrown here ends the
/// run as a Ctrl-C would, and `run` throws it.
public protocol RunObserver: AnyObject {
  /// About ten times a second.
  func progress(_ progress: RunProgress) throws(Diagnostic)
  /// A handler failed, a line was quarantined, a worker halted.
  func problem(_ problem: Diagnostic) throws(Diagnostic)
  /// A line that a script printed, with the coordinates of its event.
  func printed(_ text: String) throws(Diagnostic)
  /// Edited scripts were taken up, or refused.
  func reloaded(_ report: ReloadReport) throws(Diagnostic)
}

extension RunObserver {
  public func reloaded(_ report: ReloadReport) throws(Diagnostic) {
    for problem in report.problems { try self.problem(problem) }
  }
}

public struct RunOptions: Sendable {
  /// End when everything is applied, instead of tailing.
  public var once = false
  /// Move event time on to this once everything is handled: timers that are due by then fire.
  public var until: EventTime?
  /// End at the first bad line.
  public var strict = false
  /// Run these handlers alone; nil: all. An empty set ingests only.
  public var only: Set<String>?
  /// Take lines of the event directory; without it the handlers work on what the log has.
  public var ingests = true
  /// What is to be done with a read model, too.
  public var asks: RebuildRequest?
  /// Events a transaction takes at most under backlog; nil: what suits.
  public var batchRecords: Int?

  /// Take up scripts as they are edited.
  public var watch = false
  /// How often somebody asked by a signal to take them up; called from any thread.
  public var reloadsAsked: @Sendable () -> Int = { 0 }

  /// Where to write how the run stands, as Prometheus' text; nil: nowhere.
  public var metricsFile: String?

  public init() {}
}

/// How far a run has come.
public struct RunProgress: Sendable, Hashable {
  /// Events that the slowest handler has come past, or that are ingested where there is no handler.
  public var done: UInt64
  /// An estimate while files are still being read.
  public var total: UInt64
  public var isCaughtUp: Bool
  /// Versions of projections that are folded beside those that serve.
  public var rebuilds: [RebuildStatus] = []
  public init(done: UInt64, total: UInt64, isCaughtUp: Bool) {
    self.done = done
    self.total = total
    self.isCaughtUp = isCaughtUp
  }
}

/// What a run did.
public struct RunReport: Sendable {
  /// Events that this run wrote from the event directory.
  public var ingested: UInt64
  /// Commands that this run took from files.
  public var commands: UInt64 = 0
  public var repeats: UInt64
  /// Lines that this run set aside, conflicts included.
  public var quarantined: UInt64
  /// The durable end of the log.
  public var end: Position
  public var handlers: [HandlerSummary]
  /// What each decider answered since the run began, by name.
  public var deciders: [DeciderSummary] = []
  /// Effects of the handlers that ran which were given up, now or earlier.
  public var deadEffects: UInt64 = 0
  /// Instances of the sagas that ran which wait for a person, since now or earlier.
  public var stuckSagas: UInt64 = 0
  /// Effects that were done since the run began, by handler.
  public var doneEffects: [String: UInt64] = [:]

  /// Of all handlers, as they stand.
  public var deadLetters: UInt64 { handlers.reduce(0) { $0 + $1.dead } }

  public init(
    ingested: UInt64, repeats: UInt64, quarantined: UInt64, end: Position, handlers: [HandlerSummary]
  ) {
    self.ingested = ingested
    self.repeats = repeats
    self.quarantined = quarantined
    self.end = end
    self.handlers = handlers
  }
}

/// What one decider did in a run.
public struct DeciderSummary: Sendable, Hashable {
  public var name: String
  public var accepted: UInt64
  public var rejected: UInt64
  public var failed: UInt64
  public init(name: String, accepted: UInt64, rejected: UInt64, failed: UInt64) {
    self.name = name
    self.accepted = accepted
    self.rejected = rejected
    self.failed = failed
  }
}

/// Where one handler stands.
public struct HandlerSummary: Sendable {
  public var name: String
  public var kind: HandlerKind
  public var version: String
  /// `running`, `waiting` (for room on the disk), `rebuilding`, `degraded`, `halted`, `stopped`.
  public var state: String
  public var checkpoint: Position
  public var applied: UInt64
  public var emitted: UInt64
  public var held: UInt64
  public var parked: UInt64
  public var dead: UInt64
  /// Matching events at or after the checkpoint.
  public var lag: UInt64
  public var degradedSince: Position?
  /// Events a second of late; nil when it does not run.
  public var rate: Double?
  /// The 99th percentile of the time of one event; nil when it does not run.
  public var p99Milliseconds: Double?
  /// How far a version is that is folded beside the one that serves.
  public var rebuild: RebuildStatus?

  public init(
    name: String, kind: HandlerKind, version: String, state: String, checkpoint: Position, applied: UInt64,
    emitted: UInt64, held: UInt64, parked: UInt64, dead: UInt64, lag: UInt64, degradedSince: Position?,
    rate: Double? = nil, p99Milliseconds: Double? = nil
  ) {
    self.name = name
    self.kind = kind
    self.version = version
    self.state = state
    self.checkpoint = checkpoint
    self.applied = applied
    self.emitted = emitted
    self.held = held
    self.parked = parked
    self.dead = dead
    self.lag = lag
    self.degradedSince = degradedSince
    self.rate = rate
    self.p99Milliseconds = p99Milliseconds
  }
}

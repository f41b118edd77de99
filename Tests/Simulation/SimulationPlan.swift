/// What one simulation is to do.
public struct SimulationPlan: Sendable {
  public enum Mode: String, Sendable {
    /// Faults and crashes to the end.
    case safety
    /// Then they stop, and everything must come to rest, with nothing left to do.
    case liveness
  }

  /// What the process is about.
  public enum Scenario: String, Sendable, CaseIterable {
    /// Payments with read models and consumers, and accounts with a decider.
    case accounts
    /// Orders with sagas, timers and effects, over three deciders.
    case checkout
  }

  public var seed: UInt64
  public var scenario = Scenario.accounts
  public var mode = Mode.liveness
  /// Turns of the scheduler before the end.
  public var turns = 500
  /// Whether the disk fails at random.
  public var hasFaults = true
  /// Whether processes die at random.
  public var hasCrashes = true
  /// The changing operations at which the process dies: the first counted from the beginning, each other from
  /// the crash before.
  public var crashes: [Int] = []
  /// How it dies; nil: drawn.
  public var crashKind: CrashKind?
  /// Whether it ends by itself now and then.
  public var hasStops = true
  /// Whether scripts are edited between two lives, and people decide about dead letters.
  public var hasPeople = true
  /// Whether everything is mended and tried again at the end; nil: drawn.
  public var mends: Bool?
  public var bug: PlantedBug?
  /// Keeps a line for each operation of the disk.
  public var isTracing = false

  public init(seed: UInt64) { self.seed = seed }

  /// How a process dies.
  public enum CrashKind: String, CaseIterable, Sendable {
    case kill, powerCut
  }
}

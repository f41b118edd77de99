import Glibc

/// One scenario without faults, from the first start over edited scripts, commands and their snapshots,
/// decisions about dead letters and rebuilt read models to its end; and a crash at every operation of it that
/// changes the disk, SQLite's among them, by a power cut and by a kill. While the process comes up after
/// that, it dies once more, at every operation too. Each of these ends must keep all promises.
///
/// The process is forked at every operation (fork is the cheapest copy of all its state), so it must have one
/// thread: `simulate --sweep` is its place, and a test runs that.
public final class CrashSweep {
  /// What a sweep found.
  public struct Outcome: Sendable {
    /// Changing operations of the scenario.
    public var points = 0
    /// What the log had at the end of the scenario.
    public var records = 0
    /// Those at which a process died.
    public var swept = 0
    /// Ends that were played, of one crash and of two.
    public var runs = 0
    public var failed = 0
  }

  /// What is to be swept.
  public struct Plan: Sendable {
    public var seed: UInt64
    public var scenario = SimulationPlan.Scenario.accounts
    /// Of the scheduler, before everything comes to rest and is mended.
    public var turns = 150
    /// 1 takes every operation, 2 every other one.
    public var step = 1
    /// The same for the second crash, shifted by one from point to point; 0: none.
    public var recoveryStep = 1
    /// Processes at a time.
    public var jobs = 1
    /// This operation alone.
    public var only: Int?
    public var bug: PlantedBug?
    /// No further point is begun after that; nil: all of them.
    public var seconds: Int?

    public init(seed: UInt64) { self.seed = seed }
  }

  private let plan: Plan
  private let simulation: Simulation
  /// How many crashes led here: 0 in the first process.
  private var depth = 0
  /// Where, for a person.
  private var place = ""
  private var firstCrash = 0
  /// Operations since the process was up again.
  private var operationsUp = 0
  private var operationsAgain = 0
  private var children = 0
  private var ends: (read: Int32, write: Int32) = (-1, -1)
  private var outcome = Outcome()
  private let began = ContinuousClock.now

  /// Operations behind the coming up at which a process dies again.
  private static let afterwards = 6

  public init(_ plan: Plan) {
    precondition(plan.step > 0 && plan.recoveryStep >= 0 && plan.jobs > 0, "\(plan)")
    self.plan = plan
    var calm = SimulationPlan(seed: plan.seed)
    calm.scenario = plan.scenario
    calm.turns = plan.turns
    calm.hasFaults = false
    calm.hasCrashes = false
    calm.mends = true
    calm.bug = plan.bug
    simulation = Simulation(calm)
  }

  /// Plays all of it. Never returns in the processes that it forks.
  public func run() -> Outcome {
    meetMutexes()
    var pair: [Int32] = [0, 0]
    let made = pipe(&pair)
    precondition(made == 0, "no pipe: \(errno)")
    ends = (pair[0], pair[1])
    let flags = fcntl(ends.read, F_SETFL, O_NONBLOCK)
    precondition(flags == 0, "a pipe that waits: \(errno)")
    simulation.probe { [unowned self] in dies(at: $0) }
    let end = simulation.run()
    if depth > 0 { leave(end.violations) }
    while children > 0 { waitForOne() }
    drain()
    outcome.points = end.operations
    outcome.records = end.records
    outcome.runs += 1
    if !end.violations.isEmpty {
      outcome.failed += 1
      print("without a crash: \(end.violations.prefix(2))")
    }
    return outcome
  }

  /// Each piece of code with a `Mutex` keeps the number of its thread from its first use on, and a forked
  /// process has another one: where locking was met before the fork and unlocking was not, they disagree. So
  /// everything is used once before.
  private func meetMutexes() {
    for scenario in SimulationPlan.Scenario.allCases {
      for hasCrashes in [false, true] {
        var calm = SimulationPlan(seed: plan.seed &+ 1)
        calm.scenario = scenario
        calm.turns = 60
        calm.hasFaults = false
        calm.hasCrashes = hasCrashes
        calm.mends = true
        _ = Simulation(calm).run()
      }
    }
  }

  // MARK: Crashes

  private func dies(at operation: Int) -> Bool {
    switch depth {
    case 0:
      guard plan.only.map({ $0 == operation }) ?? (operation % plan.step == 0) else { return false }
      if let seconds = plan.seconds, ContinuousClock.now - began >= .seconds(seconds) { return false }
      outcome.swept += 1
      if outcome.swept % 50 == 0 {
        print("… at \(operation), \(outcome.runs) runs, \(outcome.failed) failed")
      }
    case 1:
      operationsAgain += 1
      if simulation.isUp { operationsUp += 1 }
      // Other ones at the next point.
      guard plan.recoveryStep > 0, (operationsAgain + firstCrash) % plan.recoveryStep == 0,
        operationsUp <= CrashSweep.afterwards
      else { return false }
    default: return false
    }
    for (number, kind) in SimulationPlan.CrashKind.allCases.enumerated() {
      // Of a second crash one kind, the other one at the next point: twice as many ends tell hardly more.
      if depth == 1, (operationsAgain / max(1, plan.recoveryStep) + firstCrash) % 2 != number { continue }
      if forked(kind, at: operation) {
        let mix = plan.seed &* 1_000_003 &+ UInt64(operation) &* 8 &+ UInt64(depth * 2 + number)
        simulation.branch(kind, seed: SeededNumbers(mix).next(), turns: depth == 1 ? 6 : 0)
        return true
      }
    }
    return false
  }

  /// True in the new process.
  private func forked(_ kind: SimulationPlan.CrashKind, at operation: Int) -> Bool {
    while children >= (depth == 0 ? plan.jobs : 1) { waitForOne() }
    fflush(nil)
    let child = fork()
    precondition(child >= 0, "no process: \(errno)")
    if child > 0 {
      children += 1
      return false
    }
    if depth == 0 { firstCrash = operation }
    depth += 1
    children = 0
    place += (place.isEmpty ? "" : ", then ") + "\(kind) at \(operation)"
    return true
  }

  // MARK: Processes

  /// The end of a process that was forked.
  private func leave(_ violations: [String]) -> Never {
    while children > 0 { waitForOne() }
    if !violations.isEmpty {
      print("\(place): \(violations.prefix(2).joined(separator: "\n    "))")
      print("    again: simulate --sweep \(plan.seed) --at \(firstCrash)")
    }
    tell(isWell: violations.isEmpty)
    fflush(nil)
    _exit(0)
  }

  private func tell(isWell: Bool) {
    var byte: UInt8 = isWell ? 0 : 1
    let count = write(ends.write, &byte, 1)
    precondition(count == 1, "a pipe that takes nothing: \(errno)")
  }

  private func waitForOne() {
    var status: Int32 = 0
    let child = waitpid(-1, &status, 0)
    precondition(child > 0, "no process to wait for: \(errno)")
    children -= 1
    if status != 0 {
      print("a process ended with status \(status), forked at \(place.isEmpty ? "the scenario" : place)")
      tell(isWell: false)
    }
    if depth == 0 { drain() }
  }

  /// Takes what the processes told: a byte for each end.
  private func drain() {
    var bytes = [UInt8](repeating: 0, count: 4_096)
    while true {
      let count = read(ends.read, &bytes, bytes.count)
      guard count > 0 else { return }
      outcome.runs += count
      outcome.failed += bytes[..<count].count { $0 == 1 }
    }
  }
}

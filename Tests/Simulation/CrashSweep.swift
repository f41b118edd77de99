/// One calm scenario, run once for every operation that changes the disk, with a crash there: a power cut or
/// a kill; and again with a second crash while the process comes up after the first. SQLite's operations are
/// among them.
public struct CrashSweep {
  /// What a sweep found.
  public struct Outcome: Sendable {
    /// Operations of the scenario.
    public var points = 0
    public var runs = 0
    public var failures: [String] = []
  }

  private let seed: UInt64
  private let step: Int

  /// - Parameter step: 1 takes every operation, 2 every other one.
  public init(seed: UInt64, step: Int) {
    precondition(step > 0, "a step is at least 1, not \(step)")
    self.seed = seed
    self.step = step
  }

  private func plan(_ crashes: [Int], _ kind: SimulationPlan.CrashKind) -> SimulationPlan {
    var plan = SimulationPlan(seed: seed)
    plan.turns = 220
    plan.hasFaults = false
    plan.hasCrashes = false
    plan.crashes = crashes
    plan.crashKind = kind
    return plan
  }

  public func run() -> Outcome {
    var outcome = Outcome()
    let calm = Simulation(plan([], .powerCut)).run()
    outcome.runs = 1
    outcome.points = calm.operations
    if !calm.violations.isEmpty { outcome.failures.append("without a crash: \(calm.violations)") }
    let numbers = SeededNumbers(seed)
    var point = 1 + numbers.below(step)
    while point <= calm.operations {
      for kind in SimulationPlan.CrashKind.allCases {
        let second = 1 + numbers.below(60)
        for crashes in [[point], [point, second]] {
          let run = Simulation(plan(crashes, kind)).run()
          outcome.runs += 1
          if !run.violations.isEmpty {
            outcome.failures.append("\(kind) at \(crashes), seed \(seed): \(run.violations.prefix(2))")
          }
        }
      }
      point += step
    }
    return outcome
  }
}

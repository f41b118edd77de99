import Glibc
import Simulation

/// Runs simulations outside of the tests, for `scripts/soak` and for one failing seed:
///
///     simulate [--first SEED] [--seeds N] [--bug NAME] [--turns N] [--trace]
///     simulate --sweep SEED
@main
enum Simulate {
  static func main() {
    var first: UInt64 = 1
    var seeds: UInt64 = 100
    var plan = SimulationPlan(seed: 1)
    var arguments = CommandLine.arguments.dropFirst()
    var isTracing = false
    while let argument = arguments.popFirst() {
      switch argument {
      case "--first": first = arguments.popFirst().flatMap(UInt64.init) ?? first
      case "--seeds": seeds = arguments.popFirst().flatMap(UInt64.init) ?? seeds
      case "--turns": plan.turns = arguments.popFirst().flatMap(Int.init) ?? plan.turns
      case "--bug": plan.bug = arguments.popFirst().flatMap(PlantedBug.init)
      case "--trace": isTracing = true
      case "--sweep": sweep(arguments.popFirst().flatMap(UInt64.init) ?? 11)
      default:
        print("unknown: \(argument)")
        exit(64)
      }
    }
    var failed = 0
    var totals = SimulationOutcome(seed: first)
    let began = ContinuousClock.now
    for seed in first..<first + seeds {
      plan.seed = seed
      plan.isTracing = isTracing
      let outcome = Simulation(plan).run()
      totals.lives += outcome.lives
      totals.powerCuts += outcome.powerCuts
      totals.kills += outcome.kills
      totals.stops += outcome.stops
      totals.faults += outcome.faults
      totals.operations += outcome.operations
      totals.records += outcome.records
      if isTracing { for line in outcome.trace { print(line) } }
      guard !outcome.violations.isEmpty else { continue }
      failed += 1
      print("seed \(seed): \(outcome.violations.prefix(2).joined(separator: "\n    "))")
      print("    again: MOONTIDE_SEED=\(seed) swift test --filter SimulationTests")
    }
    print(
      "\(seeds) seeds in \(ContinuousClock.now - began): \(failed) failed; \(totals.lives) lives, "
        + "\(totals.powerCuts) power cuts, \(totals.kills) kills, \(totals.stops) stops, "
        + "\(totals.faults) faults, "
        + "\(totals.operations) operations, \(totals.records) records")
    exit(failed == 0 ? 0 : 1)
  }

  /// Every point of one scenario.
  private static func sweep(_ seed: UInt64) -> Never {
    let began = ContinuousClock.now
    let outcome = CrashSweep(seed: seed, step: 1).run()
    for failure in outcome.failures.prefix(20) { print(failure) }
    print(
      "\(outcome.points) points, \(outcome.runs) runs in \(ContinuousClock.now - began): "
        + "\(outcome.failures.count) failed")
    exit(outcome.failures.isEmpty ? 0 : 1)
  }
}

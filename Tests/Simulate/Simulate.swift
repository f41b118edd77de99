import Glibc
import Simulation

/// Runs simulations outside of the tests, for `scripts/soak` and for one failing seed:
///
///     simulate [--first SEED] [--seeds N] [--seconds N] [--bug NAME] [--turns N] [--safety] [--trace]
///       [--scenario NAME]
///     simulate --sweep SEED [--step N] [--recovery N] [--jobs N] [--seconds N] [--at OPERATION] [--bug NAME]
///       [--scenario NAME]
///     simulate --bugs [--seeds N]
@main
enum Simulate {
  private struct Settings {
    var first: UInt64 = 1
    var seeds: UInt64 = 100
    /// Ends then, whatever seeds are left.
    var seconds: Int?
    var plan = SimulationPlan(seed: 1)
    /// Nil: each seed in all of them.
    var scenario: SimulationPlan.Scenario?
    var scenarios: [SimulationPlan.Scenario] {
      scenario.map { [$0] } ?? SimulationPlan.Scenario.allCases
    }
    var sweep: CrashSweep.Plan?
    var step = 1
    var recovery = 1
    var jobs = 1
    var at: Int?
    var asksForBugs = false
    var sweepTurns: Int?
  }

  static func main() {
    var settings = Settings()
    var arguments = CommandLine.arguments.dropFirst()
    func number<Number: FixedWidthInteger>(_ option: String) -> Number {
      guard let number = arguments.popFirst().flatMap({ Number($0) }) else {
        refuse("\(option) wants a number")
      }
      return number
    }
    while let argument = arguments.popFirst() {
      switch argument {
      case "--first": settings.first = number(argument)
      case "--seeds": settings.seeds = number(argument)
      case "--seconds": settings.seconds = number(argument)
      case "--turns":
        settings.plan.turns = number(argument)
        settings.sweepTurns = settings.plan.turns
      case "--safety": settings.plan.mode = .safety
      case "--trace": settings.plan.isTracing = true
      case "--bug":
        let name = arguments.popFirst() ?? ""
        guard let bug = PlantedBug(rawValue: name) else { refuse("there is no bug \(name)") }
        settings.plan.bug = bug
      case "--bugs": settings.asksForBugs = true
      case "--scenario":
        let name = arguments.popFirst() ?? ""
        guard let scenario = SimulationPlan.Scenario(rawValue: name) else {
          refuse("there is no scenario \(name)")
        }
        settings.scenario = scenario
      case "--sweep": settings.sweep = CrashSweep.Plan(seed: number(argument))
      case "--step": settings.step = number(argument)
      case "--recovery": settings.recovery = number(argument)
      case "--jobs": settings.jobs = number(argument)
      case "--at": settings.at = number(argument)
      default: refuse("unknown: \(argument)")
      }
    }
    if settings.asksForBugs { plant(settings) }
    if let plan = settings.sweep { sweep(plan, settings) }
    simulate(settings)
  }

  /// A line at once, whoever reads it: what is to come may take long.
  private static func say(_ text: String) {
    print(text)
    fflush(nil)
  }

  private static func refuse(_ reason: String) -> Never {
    print(reason)
    exit(64)
  }

  private static func simulate(_ settings: Settings) -> Never {
    var failed = 0
    var (count, faults, records): (UInt64, Int, Int) = (0, 0, 0)
    var (lives, powerCuts, kills, stops, operations) = (0, 0, 0, 0, 0)
    let began = ContinuousClock.now
    var tally: [String: Int] = [:]
    var plan = settings.plan
    for seed in settings.first..<settings.first + settings.seeds {
      if let seconds = settings.seconds, ContinuousClock.now - began >= .seconds(seconds) { break }
      plan.seed = seed
      count += 1
      for scenario in settings.scenarios {
        plan.scenario = scenario
        let outcome = Simulation(plan).run()
        lives += outcome.lives
        powerCuts += outcome.powerCuts
        kills += outcome.kills
        stops += outcome.stops
        faults += outcome.faults
        operations += outcome.operations
        records += outcome.records
        tally.merge(outcome.tally) { $0 + $1 }
        for line in outcome.trace where plan.isTracing { print(line) }
        guard !outcome.violations.isEmpty else { continue }
        failed += 1
        say("seed \(seed), \(scenario): \(outcome.violations.prefix(2).joined(separator: "\n    "))")
        say("    again: MOONTIDE_SEED=\(seed) swift test --filter SimulationTests")
      }
      if count % 100 == 0 { say("… \(count) seeds, \(failed) failed") }
    }
    print(
      "\(count) seeds in \(ContinuousClock.now - began): \(failed) failed; \(lives) lives, "
        + "\(powerCuts) power cuts, \(kills) kills, \(stops) stops, \(faults) faults, "
        + "\(operations) operations, \(records) records")
    for (word, times) in tally.sorted(by: { $0.key < $1.key }) { print("  \(times) \(word)") }
    exit(failed == 0 ? 0 : 1)
  }

  /// Every point of one scenario.
  private static func sweep(_ plan: CrashSweep.Plan, _ settings: Settings) -> Never {
    var plan = plan
    plan.step = max(1, settings.step)
    plan.recoveryStep = settings.recovery
    plan.jobs = max(1, settings.jobs)
    plan.only = settings.at
    plan.bug = settings.plan.bug
    plan.scenario = settings.scenario ?? .accounts
    plan.seconds = settings.seconds
    plan.turns = settings.sweepTurns ?? plan.turns
    let began = ContinuousClock.now
    let outcome = CrashSweep(plan).run()
    print(
      "\(outcome.points) points, \(outcome.swept) of them swept, \(outcome.records) records, "
        + "\(outcome.runs) runs in "
        + "\(ContinuousClock.now - began): \(outcome.failed) failed")
    exit(outcome.failed == 0 ? 0 : 1)
  }

  /// The first seed at which each planted bug shows.
  private static func plant(_ settings: Settings) -> Never {
    var missed: [PlantedBug] = []
    let began = ContinuousClock.now
    for bug in PlantedBug.allCases {
      var plan = settings.plan
      plan.bug = bug
      plan.scenario = bug.scenario
      var found: String?
      for seed in settings.first..<settings.first + settings.seeds where found == nil {
        plan.seed = seed
        found = Simulation(plan).run().violations.first.map { "seed \(seed): \($0.prefix(150))" }
      }
      if found == nil { missed.append(bug) }
      say("\(bug): \(found ?? "NOT CAUGHT")")
    }
    let all = PlantedBug.allCases.count
    print("\(all - missed.count) of \(all) planted bugs caught in \(ContinuousClock.now - began)")
    exit(missed.isEmpty ? 0 : 1)
  }
}

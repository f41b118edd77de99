import Simulation
import Testing

/// Each mistake is planted, and the harness must report a violation; without it the same seed has none.
@Suite struct PlantedBugTests {
  @Test(arguments: PlantedBug.allCases)
  func `the harness catches a planted bug`(bug: PlantedBug) {
    for seed in 1...200 as ClosedRange<UInt64> {
      var plan = SimulationPlan(seed: seed)
      plan.bug = bug
      let outcome = Simulation(plan).run()
      guard let first = outcome.violations.first else { continue }
      print("\(bug): seed \(seed): \(first.prefix(160))")
      plan.bug = nil
      let calm = Simulation(plan).run()
      #expect(calm.violations.isEmpty, "seed \(seed) fails without \(bug) too: \(calm.violations.prefix(2))")
      return
    }
    Issue.record("\(bug) was not caught in 200 seeds")
  }
}

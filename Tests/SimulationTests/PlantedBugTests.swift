import Simulation
import Testing

/// Each mistake is planted, and the harness must report a violation; without it seeds have none, as
/// `SimulationTests` says.
@Suite struct PlantedBugTests {
  @Test(arguments: PlantedBug.allCases)
  func `the harness catches a planted bug`(bug: PlantedBug) {
    // The first seed that shows it, so that a build is not held up; should it no longer, the next ones.
    let first: UInt64 =
      [.failedSyncIsIgnored: 21, .failedSyncIsRetried: 21, .effectsBeforeCheckpoint: 3][bug] ?? 1
    for seed in first..<first + 200 {
      var plan = SimulationPlan(seed: seed)
      plan.bug = bug
      let outcome = Simulation(plan).run()
      guard let first = outcome.violations.first else { continue }
      print("\(bug): seed \(seed): \(first.prefix(160))")
      return
    }
    Issue.record("\(bug) was not caught in 200 seeds")
  }
}

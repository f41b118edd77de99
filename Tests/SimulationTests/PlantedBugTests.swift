import Simulation
import Testing

/// Each mistake is planted, and the harness must report a violation; without it seeds have none, as
/// `SimulationTests` says.
@Suite struct PlantedBugTests {
  /// A seed that shows it, so that a build is not held up; should it no longer, the next ones. Else it is 1.
  /// `simulate --bugs --turns 300` tells them.
  private static let first: [PlantedBug: UInt64] = [
    .failedSyncIsIgnored: 15, .failedSyncIsRetried: 7, .indexForgetsIdentities: 2, .decisionIsLost: 2,
    .batchIsWrittenInHalves: 2, .decisionIsReadTwice: 31, .packedPlaceIsTakenForUnpacked: 1240,
    .expectedVersionIsIgnored: 2, .snapshotIsTrustedOverTheLog: 3, .commandsReachedIsAhead: 9,
    .checkpointBeforeEffects: 5, .effectsBeforeCheckpoint: 5, .rowsOutsideTheTransaction: 8,
    .parkedKeyIsForgotten: 2, .heldEventIsForgotten: 4, .revivedLetterStays: 3,
    .decisionIsCarriedOutInTwo: 23, .clockStands: 2,
  ]

  @Test(arguments: PlantedBug.allCases)
  func `the harness catches a planted bug`(bug: PlantedBug) {
    let first = Self.first[bug] ?? 1
    for seed in first..<first + 200 {
      var plan = SimulationPlan(seed: seed)
      plan.turns = 300
      plan.bug = bug
      let outcome = Simulation(plan).run()
      guard let first = outcome.violations.first else { continue }
      print("\(bug): seed \(seed): \(first.prefix(160))")
      return
    }
    Issue.record("\(bug) was not caught in 200 seeds")
  }
}

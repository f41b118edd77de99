import Simulation
import Testing

/// Each mistake is planted, and the harness must report a violation; without it seeds have none, as
/// `SimulationTests` says.
@Suite struct PlantedBugTests {
  /// A seed that shows it, so that a build is not held up; should it no longer, the next ones. Else it is 1.
  /// `simulate --bugs --turns 300` tells them.
  private static let first: [PlantedBug: UInt64] = [
    .failedSyncIsIgnored: 7, .failedSyncIsRetried: 11, .batchIsWrittenInHalves: 2,
    .packedPlaceIsTakenForUnpacked: 80, .decisionIsReadTwice: 34, .scriptsOfSnapshotAreIgnored: 8,
    .snapshotHasAnOldState: 3, .snapshotIsTrustedOverTheLog: 5, .commandsReachedIsAhead: 13,
    .checkpointBeforeEffects: 2, .effectsBeforeCheckpoint: 2, .rowsOutsideTheTransaction: 3,
    .heldEventIsForgotten: 3, .decisionIsCarriedOutInTwo: 146, .timerFiresTwice: 8,
    .timerIsLostAtRestart: 5, .compensationIsOutOfOrder: 86, .lateSuccessIsNotCompensated: 3,
    .sagaIsWrittenBeforeItsOutbox: 33, .effectIsRepeatedAfterItsResult: 9,
  ]

  @Test(arguments: PlantedBug.allCases)
  func `the harness catches a planted bug`(bug: PlantedBug) {
    let first = Self.first[bug] ?? 1
    for seed in first..<first + 200 {
      var plan = SimulationPlan(seed: seed)
      plan.turns = 300
      plan.bug = bug
      plan.scenario = bug.scenario
      let outcome = Simulation(plan).run()
      guard let first = outcome.violations.first else { continue }
      print("\(bug): seed \(seed): \(first.prefix(160))")
      return
    }
    Issue.record("\(bug) was not caught in 200 seeds")
  }
}

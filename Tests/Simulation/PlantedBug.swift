/// Mistakes that somebody could make, put between the runtime and its seams to see that the harness catches
/// them. A harness that has caught nothing proves nothing.
public enum PlantedBug: String, CaseIterable, Sendable {
  // Between log, SQLite and the file system.
  case logIsNotSynced
  case storesAreNotSynced
  case failedSyncIsIgnored
  case failedSyncIsRetried
  case directoriesAreNotSynced
  case truncationIsOffByOne
  case shortWriteIsTakenForWhole
  case fullDiskIsTakenForWritten
  case writeIsLost
  case writeLandsTwoBytesLater
  case rebuiltFileIsNotSynced
  case swapIsForgotten
  // Between the log and those who use it.
  case acknowledgedBeforeFlush
  case indexForgetsIdentities
  case conflictsAreMerged
  case readSkipsARecord
  case readRepeatsARecord
  case keyIsReordered
  case failedAppendIsTakenForDone
  case batchIsWrittenInHalves
  case delayedFlushIsTakenForDone
  case packedPlaceIsTakenForUnpacked
  case decisionIsLost
  case decisionIsReadTwice
  case upcasterIsSkipped
  case partsAreRenamed
  // Between a decider, the log and its snapshots.
  case expectedVersionIsIgnored
  case outcomeIsLost
  case outcomeIsNotFound
  case decisionIsAnsweredBeforeFlush
  case scriptsOfSnapshotAreIgnored
  case snapshotHasAnOldState
  case snapshotIsTrustedOverTheLog
  case commandsReachedIsAhead
  // Between a handler and its store.
  case checkpointBeforeEffects
  case effectsBeforeCheckpoint
  case rowsOutsideTheTransaction
  case outboxRowIsLost
  case emitIsDoubled
  case parkedKeyIsForgotten
  case heldEventIsForgotten
  case stateIsForgotten
  case deadLetterIsLost
  case countIsLost
  case checkpointIsOneAhead
  case savepointIsNotRolledBack
  case outboxIsReadOneAhead
  case revivedLetterStays
  case decisionIsCarriedOutInTwo
  // Between sagas, effects and what they keep.
  case timerFiresTwice
  case timerIsLostAtRestart
  case compensationIsOutOfOrder
  case lateSuccessIsNotCompensated
  case sagaIsWrittenBeforeItsOutbox
  case sagaCommandIsLost
  case sagaCommandIsDoubled
  case effectBeforeItsCommit
  case effectIsLost
  case effectsAreReordered
  case effectKeyChangesWithEachTry
  case effectIsRepeatedAfterItsResult
  case resultIsLost
  // Of the clock.
  case clockStands

  var isOfFiles: Bool { Self.ofFiles.contains(self) }
  var isOfLog: Bool { Self.ofLog.contains(self) }
  var isOfDecider: Bool { Self.ofDecider.contains(self) }
  var isOfLedgers: Bool { Self.ofLedgers.contains(self) }
  var isOfStores: Bool {
    !isOfFiles && !isOfLog && !isOfDecider && !isOfLedgers && self != .clockStands
  }
  /// The scenario in which it shows.
  public var scenario: SimulationPlan.Scenario { isOfLedgers ? .checkout : .accounts }

  private static let ofFiles: Set<PlantedBug> = [
    .logIsNotSynced, .storesAreNotSynced, .failedSyncIsIgnored, .failedSyncIsRetried,
    .directoriesAreNotSynced,
    .truncationIsOffByOne, .shortWriteIsTakenForWhole, .fullDiskIsTakenForWritten, .writeIsLost,
    .writeLandsTwoBytesLater, .rebuiltFileIsNotSynced, .swapIsForgotten,
  ]
  private static let ofLog: Set<PlantedBug> = [
    .acknowledgedBeforeFlush, .indexForgetsIdentities, .conflictsAreMerged, .readSkipsARecord,
    .readRepeatsARecord, .keyIsReordered, .failedAppendIsTakenForDone, .batchIsWrittenInHalves,
    .delayedFlushIsTakenForDone, .packedPlaceIsTakenForUnpacked, .decisionIsLost, .decisionIsReadTwice,
    .upcasterIsSkipped, .partsAreRenamed,
  ]
  private static let ofDecider: Set<PlantedBug> = [
    .expectedVersionIsIgnored, .outcomeIsLost, .outcomeIsNotFound, .decisionIsAnsweredBeforeFlush,
    .scriptsOfSnapshotAreIgnored, .snapshotHasAnOldState, .snapshotIsTrustedOverTheLog,
    .commandsReachedIsAhead,
  ]
  private static let ofLedgers: Set<PlantedBug> = [
    .timerFiresTwice, .timerIsLostAtRestart, .compensationIsOutOfOrder, .lateSuccessIsNotCompensated,
    .sagaIsWrittenBeforeItsOutbox, .sagaCommandIsLost, .sagaCommandIsDoubled, .effectBeforeItsCommit,
    .effectIsLost, .effectsAreReordered, .effectKeyChangesWithEachTry, .effectIsRepeatedAfterItsResult,
    .resultIsLost,
  ]
}

import Synchronization

/// A place in the code at which a process can be told to die, to see that it may die there:
/// `MOONTIDE_CRASH_AT=NAME:N` kills it by SIGKILL when it comes to the place for the N-th time. Each lies
/// between two effects on the disk. Passed once a batch, flush or swap, never once an event; unarmed it costs
/// one relaxed load.
public enum CrashPoint: String, CaseIterable, Sendable {
  // The log.
  /// A batch is encoded and not written.
  case beforeAppend = "before-append"
  /// It is written and not flushed.
  case afterAppend = "after-append"
  case beforeFlush = "before-flush"
  /// It is flushed, and nobody was told.
  case afterFlush = "after-flush"
  /// A segment has its header, and its directory does not have it for certain.
  case duringSegment = "during-segment"
  /// A run of the index is written, and no checkpoint names it.
  case afterIndexRun = "after-index-run"
  /// The log's checkpoint is written beside the old one.
  case duringCheckpoint = "during-checkpoint"
  /// It is in its place, and its directory does not have it for certain.
  case afterCheckpoint = "after-checkpoint"
  // A handler.
  /// A store's file is made, and holds nothing of the handler yet.
  case duringStoreCreation = "during-store-creation"
  /// A batch ran, with all of its rows, state and outbox in the transaction.
  case beforeCommit = "before-commit"
  case afterCommit = "after-commit"
  /// A parked event passed, or was given up, in a transaction of its own.
  case beforeRetryCommit = "before-retry-commit"
  case afterRetryCommit = "after-retry-commit"
  // The relay.
  case beforeRelayAppend = "before-relay-append"
  /// What was emitted is in the log, and not flushed.
  case afterRelayAppend = "after-relay-append"
  /// It is flushed, and the outbox still has it.
  case beforeRelayNote = "before-relay-note"
  case afterRelayNote = "after-relay-note"
  // A decider.
  /// A decision (command, events, outcome) is in the log, and not flushed.
  case afterCommand = "after-command"
  /// Decisions are flushed, and nobody was answered.
  case beforeAnswer = "before-answer"
  /// Snapshots of streams are written, and not committed.
  case duringSnapshot = "during-snapshot"
  // Effects.
  /// An effect was performed, and nothing of that is written.
  case afterEffect = "after-effect"
  /// Its result is in the log, and not flushed.
  case afterResult = "after-result"
  /// It is flushed, and the ledger still has the effect as open.
  case beforeEffectNote = "before-effect-note"
  case afterEffectNote = "after-effect-note"
  // A rebuilt read model takes its place.
  /// It has caught up and was looked through.
  case afterProof = "after-proof"
  /// It has come past the old one, which has stopped, and part of it lies in its write-ahead log.
  case beforeSwap = "before-swap"
  /// The old one has a second name.
  case beforeRename = "before-rename"
  /// The old one's write-ahead log has that name alone.
  case duringSwap = "during-swap"
  /// It has its name, and the directory does not have that for certain.
  case afterRename = "after-rename"
  case afterSwap = "after-swap"
  /// The former read model is on its way back, and the one in use is what it was.
  case duringRollback = "during-rollback"
  /// A handler takes another name, and some of its files have it.
  case duringRenaming = "during-renaming"
  /// The digest of a read model is written beside the old one.
  case duringSeal = "during-seal"
  // Edited scripts are taken up.
  /// The takeover is a record of the log, and none of the new handlers is at work.
  case afterReloadRecord = "after-reload-record"
  /// Some of the new ones are at work.
  case duringTakeover = "during-takeover"
  /// The file of a removed handler is in the archive, and has its old name too.
  case duringArchive = "during-archive"
  case afterArchive = "after-archive"
  /// The file of a handler that is back has its old name again, and is in the archive too.
  case duringReturn = "during-return"
  case afterReturn = "after-return"
  // What people ask for.
  /// Decisions about dead letters are in the log, and not flushed.
  case afterDecision = "after-decision"
  /// An archive is whole and does not have its name.
  case duringBackup = "during-backup"
  /// What was restored is verified and not in its place.
  case duringRestore = "during-restore"

  private static let armed = Atomic<Int>(-1)
  private static let left = Atomic<Int>(0)
  private static let death = Mutex<(@Sendable () -> Void)?>(nil)

  /// Comes to the point. Any thread.
  public static func reach(_ point: CrashPoint) {
    if armed.load(ordering: .relaxed) >= 0 { arrive(point) }
  }

  private static func arrive(_ point: CrashPoint) {
    guard armed.load(ordering: .acquiring) == point.number else { return }
    if left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { death.withLock { $0 }?() }
  }

  /// Once, before anything runs.
  /// - Parameters:
  ///   - time: the how manieth arrival, from 1 on.
  ///   - die: ends the process; called on the thread that arrives, and does not return in a real process.
  public static func arm(_ point: CrashPoint, time: Int, die: @escaping @Sendable () -> Void) {
    precondition(time > 0, "a point is reached for the first time at the earliest, not for the \(time)th")
    left.store(time, ordering: .releasing)
    death.withLock { $0 = die }
    armed.store(point.number, ordering: .releasing)
  }

  /// Reads `before-commit:3`; without a number it is the first time. Nil when it is neither.
  public static func parse(_ text: String) -> (point: CrashPoint, time: Int)? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count <= 2, let name = parts.first, let point = CrashPoint(rawValue: String(name)) else {
      return nil
    }
    guard parts.count == 2 else { return (point, 1) }
    guard let time = Int(parts[1]), time > 0 else { return nil }
    return (point, time)
  }

  private var number: Int { CrashPoint.allCases.firstIndex(of: self) ?? -1 }
}

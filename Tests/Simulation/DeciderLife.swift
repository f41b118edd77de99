import MoontideCore
import MoontideHost
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// A decider in one life of the process, put together as the host does.
final class DeciderLife {
  let worker: DeciderWorker
  private let inbox = CommandInbox()
  private let board = DeciderBoard()

  /// - Parameter real: the log behind `setting.log`.
  init(_ name: String, _ setting: HandlerLife.Setting, log real: SegmentedLog) throws(LifeFailure) {
    let catalog = setting.catalog
    guard let definition = catalog.decider(name) else { preconditionFailure("no decider \(name)") }
    var owner = definition
    if setting.bug == .scriptsOfSnapshotAreIgnored { owner.version = .zero }
    let file = try LifeFailure.handler { [owner] () throws(Diagnostic) in
      try setting.keeper.snapshots(owner, log: real)
    }
    let snapshots = LostTailSnapshots(file, of: setting.log, setting.bug, setting.bugNumbers)
    var log = setting.log
    if let bug = setting.bug, bug.isOfDecider {
      log = BuggyDeciderLog(log, bug, setting.bugNumbers)
    }
    let (inbox, board) = (inbox, board)
    worker = try LifeFailure.handler { [log] () throws(Diagnostic) in
      try DeciderWorker(
        definition, catalog: catalog, log: log, snapshots: snapshots, inbox: inbox,
        surroundings: setting.surroundings, board: board, partitions: { _ in nil })
    }
  }

  func send(_ command: Command, answer: @escaping @Sendable (CommandReply) -> Void) {
    inbox.put(CommandInbox.Asked(command, answer: answer))
  }

  var halts: [Diagnostic] { board.status.halted.map { [$0] } ?? [] }

  /// Ends in order.
  func close() {
    worker.settle()
    inbox.close()
  }
}

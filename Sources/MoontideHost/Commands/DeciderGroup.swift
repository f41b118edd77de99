import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// One decider at work, on a thread of its own. Any thread may ask how it stands, and send it commands.
final class DeciderGroup: Sendable {
  let definition: DeciderDefinition
  let board = DeciderBoard()
  let post: DeciderPost
  private let thread: WorkerThread

  /// - Parameter predecessor: whose commands it answers from now on; it has stopped.
  init(
    _ definition: DeciderDefinition, _ setting: HandlerGroup.Setting, after predecessor: DeciderGroup? = nil
  ) throws(Diagnostic) {
    self.definition = definition
    var post = DeciderPost(grown: setting.bell)
    // Of one that halted the post is closed: who waited has been told why.
    if let kept = predecessor?.post, !kept.inbox.isClosed { post = kept }
    self.post = post
    post.isKept = false
    let (project, catalog) = (setting.project, setting.catalog)
    let (inbox, board) = (post.inbox, board)
    let (surroundings, grown) = (setting.surroundings, setting.bell)
    thread = WorkerThread("decider/\(definition.name)", setting, waits: post.bell, rings: grown) {
      [post] () throws(Diagnostic) in
      do throws(Diagnostic) {
        return DeciderRun(
          try Self.worker(
            definition, project, catalog, inbox: inbox, surroundings: surroundings, board: board), post)
      } catch {
        // Nobody comes to what waits: who sent it hears why at once.
        board.fail(error, isPassing: error.isPassing)
        if error.isPassing { inbox.refuse(error) } else { inbox.close(because: error) }
        throw error
      }
    }
    try thread.start()
  }

  /// A worker over the project's log and the decider's snapshots; for the thread that makes it.
  static func worker(
    _ definition: DeciderDefinition, _ project: MoontideProject, _ catalog: ProjectCatalog,
    inbox: CommandInbox, surroundings: HandlerSurroundings, board: DeciderBoard
  ) throws(Diagnostic) -> DeciderWorker {
    let partitions = project.settings.partitions
    return try DeciderWorker(
      definition, catalog: catalog, log: project.log,
      snapshots: try StoreKeeper(project).snapshots(definition, log: project.segmentedLog), inbox: inbox,
      surroundings: surroundings, board: board,
      partitions: { partitions[$0] })
  }

  func send(_ asked: CommandInbox.Asked) { post.put(asked) }

  /// Whether nothing below `end` is left to decide.
  func isDone(at end: Position) -> Bool {
    post.inbox.isEmpty && board.status.isDone(at: end)
  }

  /// What it answered since it was started.
  var summary: DeciderSummary {
    let status = board.status
    return DeciderSummary(
      name: definition.name, accepted: status.accepted, rejected: status.rejected, failed: status.failed)
  }

  var halted: Diagnostic? { board.status.halted }
  var isWaiting: Bool { board.status.waiting != nil }
  /// Whether the thread ended that was not asked to.
  var hasEnded: Bool { thread.isDone }

  /// - Parameter keeping: whether a successor answers who waits; else they are refused.
  func stop(keeping: Bool = false) {
    post.isKept = keeping
    thread.stop()
    thread.join()
    if !keeping { post.inbox.close() }
  }
}

/// A decider's worker, which refuses what waits when it ends, unless it has a successor.
private final class DeciderRun: ClosingWorker {
  private let worker: DeciderWorker
  private let post: DeciderPost

  init(_ worker: DeciderWorker, _ post: DeciderPost) {
    self.worker = worker
    self.post = post
  }

  func step() -> StepOutcome {
    let outcome = worker.step()
    if case .finished = outcome, let halted = worker.board.status.halted {
      post.inbox.close(because: halted)
    }
    return outcome
  }

  func close(settled: Bool) throws(Diagnostic) {
    worker.settle()
    if !post.isKept { post.inbox.close() }
  }
}

import MoontideCore
import MoontideJSON
import MoontideLog
import MoontideSQLite
import Synchronization
import Testing

@testable import MoontideRuntime

/// A decider as one opening of a project has it, with its file of snapshots, driven in one thread.
final class DecidingRig {
  let project: TestProject
  let worker: DeciderWorker
  private let inbox = CommandInbox()
  private let parser = EnvelopeParser()

  /// - Parameters:
  ///   - path: of the snapshots; nil: the project's own.
  ///   - forging: is given the file before the decider has it.
  init(
    _ project: TestProject, path: String? = nil, forging: (SnapshotFile) throws -> Void = { _ in }
  ) throws {
    self.project = project
    let definition = try #require(project.catalog.deciders.first, "\(project.catalog.diagnostics)")
    let path = path ?? DecidingRig.path(project)
    let files = project.files
    let kept = try SnapshotFile(path: path, content: definition.version, log: project.log.identity) {
      () throws(StoreError) in
      do throws(FileError) { for ending in ["", "-wal", "-shm"] { try files.remove(path + ending) } } catch {
        throw .io(path: path, reason: error.reason)
      }
    }
    try forging(kept)
    worker = try DeciderWorker(
      definition, catalog: project.catalog, log: project.log, snapshots: kept, inbox: inbox,
      surroundings: project.surroundings, board: DeciderBoard(), partitions: { _ in 4 })
  }

  static func path(_ project: TestProject) -> String { project.scratch.file("snapshots.sqlite") }

  /// Has one command decided.
  @discardableResult
  func send(_ type: String, _ data: String, id: String) throws -> (CommandOutcome, CommandExplanation) {
    let line = Array(#"{"id":"\#(id)","type":"\#(type)","data":\#(data)}"#.utf8)
    let batch = DraftBatch()
    try parser.parse(
      line + Array(repeating: 0, count: Limits.parserPaddingBytes), ByteRange(start: 0, count: line.count),
      topic: TopicID(0), into: batch)
    try Command.complete(batch, catalog: project.catalog)
    let reply = Mutex<CommandReply?>(nil)
    inbox.put(.init(Command(batch.drafts[0], in: batch)) { answer in reply.withLock { $0 = answer } })
    _ = worker.step()
    guard case .decided(let outcome, let explanation?)? = reply.withLock({ $0 }) else {
      throw Diagnostic(code: "T0002", "\(id) was answered with \(String(describing: reply.withLock { $0 }))")
    }
    return (outcome, explanation)
  }

  /// The state that a command of a stream meets, as JSON; empty for a stream without events.
  func look(_ account: String, id: String) throws -> String {
    let (_, explanation) = try send("Look", #"{"account":"\#(account)"}"#, id: id)
    return explanation.before.flatMap { StateText.json($0)?.compact } ?? ""
  }

  /// The same from the events alone.
  static func truth(_ project: TestProject, _ account: String) throws -> String {
    let definition = try #require(project.catalog.deciders.first)
    let history = try StreamHistory(
      definition, catalog: project.catalog, log: project.log, surroundings: project.surroundings)
    var last: StreamHistory.Step?
    try history.fold(key: Array(account.utf8), versions: nil, where: { _ in true }) {
      last = $0
    }
    project.told.prints.withLock { $0 = [] }
    return last?.state.flatMap { StateText.json($0)?.compact } ?? ""
  }
}

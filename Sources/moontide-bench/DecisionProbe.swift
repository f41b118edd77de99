import Foundation
import MoontideCore
import MoontideHost
import MoontideJSON
import MoontideLog
import MoontideLua
import MoontideRuntime
import MoontideSQLite
import Synchronization

/// The decider of a project over its log, driven by this thread alone: how long a decision takes, from the
/// command to its records in the log, the flush left out. It holds the log; end with `close`.
final class DecisionProbe {
  private let segmented: SegmentedLog
  private let log: TimedLog
  private let catalog: ProjectCatalog
  private let inbox = CommandInbox()
  private let worker: DeciderWorker
  private let clock = SystemSurroundings.clock

  /// - Parameter project: its path; the decider is the one of `handlers/account.lua`.
  init(_ project: String) throws {
    segmented = try SegmentedLog(
      directory: project + "/data/log", files: SystemSurroundings.files, clock: clock,
      randomness: SystemSurroundings.randomness)
    log = TimedLog(segmented)
    let text = try Data(contentsOf: URL(fileURLWithPath: project + "/handlers/account.lua"))
    let script = ScriptSource(path: "handlers/account.lua", text: Array(text))
    catalog = ProjectCatalog.load(handlers: [script], modules: [:]) { _ in .success([]) }
    guard let decider = catalog.deciders.first else { throw BenchFault("no decider: \(catalog.diagnostics)") }
    let path = try Self.snapshots(project)
    let kept = try SnapshotFile(path: path, content: decider.version, log: segmented.identity) {}
    worker = try DeciderWorker(
      decider, catalog: catalog, log: log, snapshots: kept, inbox: inbox,
      surroundings: HandlerSurroundings(
        clock: clock, randomness: SystemSurroundings.randomness, report: { _ in }, print: { _, _, _ in }),
      board: DeciderBoard(), partitions: { _ in nil })
    // Past the events that are there.
    while case .progressed = worker.step() {}
  }

  private static func snapshots(_ project: String) throws -> String {
    let folder = project + "/.moontide/snapshots"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return folder + "/account.sqlite"
  }

  /// Has one command decided: how many seconds it took, without the flush and with it, and the states around
  /// the decision.
  func decide(_ type: String, _ account: String, id: String, amount: Int = 1) throws
    -> (seconds: Double, durable: Double, explanation: CommandExplanation)
  {
    let line = Array(
      #"{"id":"\#(id)","type":"\#(type)","data":{"account":"\#(account)","amount":\#(amount)}}"#.utf8)
    let reply = Mutex<CommandReply?>(nil)
    let batch = DraftBatch()
    try parse(line, into: batch)
    let command = MoontideRuntime.Command(batch.drafts[0], in: batch)
    inbox.put(CommandInbox.Asked(command) { answer in reply.withLock { $0 = answer } })
    let (start, flushed) = (clock.monotonic, log.flushed)
    _ = worker.step()
    let durable = clock.monotonic - start
    let taken = durable - (log.flushed - flushed)
    guard case .decided(_, let explanation?)? = reply.withLock({ $0 }) else {
      throw BenchFault("\(type) was answered with \(String(describing: reply.withLock { $0 }))")
    }
    return (taken / .seconds(1), durable / .seconds(1), explanation)
  }

  private let parser = EnvelopeParser()

  private func parse(_ line: [UInt8], into batch: DraftBatch) throws {
    let padded = line + Array(repeating: 0, count: Limits.parserPaddingBytes)
    try parser.parse(padded, ByteRange(start: 0, count: line.count), topic: TopicID(0), into: batch)
    try MoontideRuntime.Command.complete(batch, catalog: catalog)
  }

  func close() throws {
    worker.settle()
    try segmented.close()
  }
}

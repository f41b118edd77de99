import Foundation
import MoontideCore
import MoontideLog
import MoontideRuntime
import Synchronization
import Testing

@testable import MoontideHost
@testable import MoontideSQLite

/// Batches of a rebuild that are written while the next one is handled, and that cannot be written: what was
/// taken for committed is handled again, from the file's last commit.
@Suite(.serialized) struct LateBatchTests {
  private static let events = 3_000

  /// What keeps a batch from the file.
  enum Fault: CustomStringConvertible {
    /// The disk is full once the file has grown by so many pages.
    case full(pages: Int)
    /// The row of that event is refused.
    case refused(event: Int)

    var description: String {
      switch self {
      case .full(let pages): "no room after \(pages) pages"
      case .refused(let event): "the row of event \(event) is refused"
      }
    }

    /// Breaks this connection alone: whoever opens the file anew finds it sound.
    func arm(_ store: ProjectionStore) throws(StoreError) {
      switch self {
      case .full(let pages):
        let count = try store.connection.integer("pragma page_count") ?? 0
        try store.connection.script("pragma max_page_count = \(Int(count) + pages)")
      case .refused(let event):
        try store.connection.script(
          """
          create temp trigger lost before insert on main.t when new.i = \(event)
          begin select raise(abort, 'lost'); end
          """)
      }
    }
  }

  /// In the first batch, in the middle, and in the last one, whose loss only shows when it is waited for.
  private static let faults: [Fault] = [
    .refused(event: 1), .refused(event: 1_550), .refused(event: events), .full(pages: 1), .full(pages: 4),
  ]

  @Test(arguments: faults) func `a batch that was lost is handled again, and counts once`(_ fault: Fault)
    throws
  {
    let folder: URL
    do {
      let rig = try RebuildRig()
      folder = rig.folder
      try rig.publish(Self.events)
      try rig.start()
      try rig.waitForEnd()
      try rig.stop()
    }
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch { Issue.record("\(error)") }
    }
    try RebuildRig.script(2).write(
      to: folder.appending(path: "handlers/p.lua"), atomically: true, encoding: .utf8)
    let paths = ProjectPaths(root: folder.path)
    let project = try MoontideProject.open(paths)
    let (run, workers, signs, reporter) = try Self.run(project, fault)
    var steps = 0
    while signs.isRebuilding, steps < 1_000 {
      // The one in use is not touched before.
      if steps % 20 == 0 { #expect(try Self.read(paths) == [Self.events, Self.events, 1, 1]) }
      _ = run.step()
      steps += 1
    }
    #expect(!signs.isRebuilding, "\(steps) steps: \(reporter.titles)")
    // The one that lost a batch, the one that wrote it again, and the one that serves.
    #expect(workers.value == 3, "\(reporter.titles)")
    try run.close(settled: false)
    #expect(try Self.read(paths) == [Self.events, Self.events, 2, 2])
    let reader = try StoreReader(path: paths.readModel("p"))
    #expect(try reader.ledger().applied == UInt64(Self.events))
    #expect(try reader.ledger().deadLetters == 0)
    #expect(try reader.integrityFault() == nil)
    let verdict = try ProjectionVerifier(paths).verify("p", to: RebuildRig.NumberSink()) {
      _, _ throws(Diagnostic) in
    }
    #expect(verdict.differences == 0 && verdict.end == project.log.durableEnd)
    try project.close()
  }

  /// A rebuild in batches of a hundred events, the first worker of which meets the fault.
  private static func run(_ project: MoontideProject, _ fault: Fault) throws -> (
    run: ProjectionRun, workers: WorkerCount, signs: ProjectionSigns, reporter: RebuildRig.Reporter
  ) {
    let definition = try #require(project.catalog.definition("p"))
    let (board, signs) = (StatusBoard(definition, lane: 0), ProjectionSigns())
    let (workers, reporter) = (WorkerCount(), RebuildRig.Reporter())
    let run = try ProjectionRun(
      definition, keeper: StoreKeeper(project), log: project.log, board: board, signs: signs,
      report: { reporter.put($0) }
    ) { store, isBeside throws(Diagnostic) in
      var surroundings = HandlerSurroundings(
        clock: project.clock, randomness: project.randomness, report: { reporter.put($0) },
        print: { _, _, _ in })
      surroundings.batchRecords = 100
      if workers.next() == 1, let store = store as? ProjectionStore {
        #expect(isBeside)
        try StoreError.told { () throws(StoreError) in try fault.arm(store) }
      }
      return try HandlerWorker(
        definition, lane: 0, catalog: project.catalog, log: project.log, store: store,
        surroundings: surroundings, board: board)
    }
    #expect(signs.isRebuilding)
    return (run, workers, signs, reporter)
  }

  private static func read(_ paths: ProjectPaths) throws -> [Int] {
    let sink = RebuildRig.NumberSink()
    try ProjectDoor.query(
      QueryRequest("select (select n from total), count(*), min(v), max(v) from t"), of: paths, to: sink)
    return sink.numbers
  }
}

/// How many workers were made.
private final class WorkerCount: Sendable {
  private let count = Mutex(0)
  var value: Int { count.withLock { $0 } }
  func next() -> Int {
    count.withLock { count in
      count += 1
      return count
    }
  }
}

import Foundation
import Glibc
import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite
import Synchronization
import Testing

@testable import MoontideHost

/// Read models whose definition takes another name while somebody asks them.
@Suite(.serialized) struct RenamedModelTests {
  private static let rows = 300

  /// What a killed process left of the projection `p`: a part of its rows is in its write-ahead log alone.
  private final class Left {
    let paths: ProjectPaths
    private let keeper: StoreKeeper

    init() throws {
      let rig = try RebuildRig()
      paths = rig.project.paths
      keeper = StoreKeeper(paths: rig.project.paths, files: PosixFileSystem())
      try rig.publish(RenamedModelTests.rows)
      try rig.start()
      try rig.waitForEnd()
      var kept: [String: Data] = [:]
      for ending in ["", "-wal"] {
        let path = paths.readModel("p") + ending
        kept[path] = try Data(contentsOf: URL(filePath: path))
      }
      try rig.stop()
      for (path, bytes) in kept { try bytes.write(to: URL(filePath: path)) }
      #expect(kept[paths.readModel("p") + "-wal"]?.isEmpty == false)
    }

    deinit {
      do { try FileManager.default.removeItem(atPath: paths.root) } catch { Issue.record("\(error)") }
    }

    func rename(_ was: String, to name: String) throws {
      let place = SourcePlace(file: "handlers/p.lua", line: 1, column: 1, width: 1, excerpt: nil)
      try keeper.adopt(
        HandlerDefinition(kind: .projection, name: name, place: place, subscriptions: ["A"], was: was),
        folder: paths.readModels)
    }

    /// - Parameters:
    ///   - files: through which it is listed.
    ///   - clock: asked once the files are listed, and before the first one is attached.
    func ask(
      _ sql: String, files: any FileSystem = PosixFileSystem(), clock: any WallClock = SystemClock()
    ) throws(Diagnostic) -> [Int] {
      let sink = RebuildRig.NumberSink()
      try QuerySession(paths: paths, files: files, clock: clock, tables: []).run(QueryRequest(sql), to: sink)
      return sink.numbers
    }
  }

  /// Does something once, in the middle of what somebody else does.
  private final class Turn: Sendable {
    private let act: Mutex<(@Sendable () throws -> Void)?>
    init(_ act: @escaping @Sendable () throws -> Void) { self.act = Mutex(act) }

    func come() {
      let act = act.withLock { act in
        defer { act = nil }
        return act
      }
      do { try act?() } catch { Issue.record("\(error)") }
    }
  }

  private struct TurnClock: WallClock {
    let turn: Turn
    var now: EventTime { SystemClock().now }
    var monotonic: Duration {
      turn.come()
      return SystemClock().monotonic
    }
    func sleep(for duration: Duration) { SystemClock().sleep(for: duration) }
  }

  /// Something happens right after a folder was listed.
  private struct TurnFiles: FileSystem {
    let files = PosixFileSystem()
    let turn: Turn
    func list(_ directory: String) throws(FileError) -> [String] {
      let names = try files.list(directory)
      turn.come()
      return names
    }
    func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File { try files.open(path, mode) }
    func status(_ path: String) throws(FileError) -> FileStatus? { try files.status(path) }
    func createDirectory(_ path: String) throws(FileError) { try files.createDirectory(path) }
    func rename(_ from: String, to: String) throws(FileError) { try files.rename(from, to: to) }
    func remove(_ path: String) throws(FileError) { try files.remove(path) }
    func syncDirectory(_ path: String) throws(FileError) { try files.syncDirectory(path) }
  }

  private static let count = "select (select n from total), count(*) from t"
  private static let whole = [rows, rows]

  @Test func `a read model that is renamed between its listing and its opening is asked by its new name`()
    throws
  {
    let left = try Left()
    nonisolated(unsafe) let one = left
    let clock = TurnClock(turn: Turn { try one.rename("p", to: "q") })
    #expect(try left.ask(Self.count, clock: clock) == Self.whole)
    #expect(FileManager.default.fileExists(atPath: left.paths.readModel("q")), "it was not renamed")
  }

  @Test func `a read model that is renamed while files are listed is asked by its new name`() throws {
    let left = try Left()
    nonisolated(unsafe) let one = left
    // Whoever lists holds off who renames: the other one comes right after.
    let files = TurnFiles(
      turn: Turn {
        Thread { do { try one.rename("p", to: "q") } catch { Issue.record("\(error)") } }.start()
      })
    for _ in 0..<50 {
      #expect(try left.ask(Self.count, files: files) == Self.whole)
    }
    let end = ContinuousClock.now + .seconds(10)
    while !FileManager.default.fileExists(atPath: left.paths.readModel("q")), ContinuousClock.now < end {
      #expect(try left.ask(Self.count) == Self.whole)
    }
    #expect(try left.ask("select count(*) from q.t") == [Self.rows])
  }

  @Test func `readers see every row at any moment, however often a read model is renamed`() throws {
    let left = try Left()
    let isDone = Atomic(false)
    let faults = Mutex<[String]>([])
    let reads = Atomic(0)
    nonisolated(unsafe) let one = left
    let threads = (0..<3).map { _ in
      Thread {
        while !isDone.load(ordering: .acquiring) {
          do throws(Diagnostic) {
            let seen = try one.ask(Self.count)
            if seen != Self.whole { faults.withLock { $0.append("\(seen)") } }
          } catch { faults.withLock { $0.append("\(error.code) \(error.title)") } }
          reads.add(1, ordering: .relaxed)
        }
      }
    }
    for thread in threads {
      thread.stackSize = 4 << 20
      thread.start()
    }
    let renamings = ProcessInfo.processInfo.environment["MOONTIDE_RENAMES"].flatMap(Int.init) ?? 150
    for number in 0..<renamings {
      try left.rename(number == 0 ? "p" : "p\(number)", to: "p\(number + 1)")
      // Readers get in between; who renames faster than anybody can read is no author.
      usleep(8_000 + UInt32(number % 7) * 2_000)
    }
    isDone.store(true, ordering: .releasing)
    let end = ContinuousClock.now + .seconds(30)
    while !threads.allSatisfy(\.isFinished), ContinuousClock.now < end { usleep(1_000) }
    let told = faults.withLock { $0 }
    let all = reads.load(ordering: .relaxed)
    #expect(told.isEmpty, "\(told.count) of \(all) reads, as \(Set(told).prefix(3))")
    #expect(all > renamings / 4, "\(all) reads")
  }
}

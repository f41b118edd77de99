import Foundation
import Glibc
import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite
import Synchronization
import Testing

@testable import MoontideHost

/// Versions of a projection that are folded beside the one that serves, and take its place.
@Suite(.serialized) struct RebuildTests {
  @Test func `an edited version takes the place of the one that serves`() throws {
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(300)
    try rig.start()
    try rig.waitForEnd()
    #expect(try rig.read() == .init(count: 300, version: 1))
    try rig.edit(RebuildRig.script(2))
    try rig.wait("the swap") { rig.group.swaps == 1 }
    try rig.publish(5)
    try rig.waitForEnd()
    #expect(try rig.read() == .init(count: 305, version: 2))
    #expect(rig.titles.contains { $0.contains("is rebuilt") }, "\(rig.titles)")
    let previous = try StoreReader(path: rig.project.paths.previous("p"))
    #expect(try previous.ledger().applied == 300)
  }

  @Test func `readers see the fold of a prefix through one version, whatever is swapped beneath them`() throws
  {
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(200)
    try rig.start()
    try rig.waitForEnd()
    let isDone = Atomic(false)
    let faults = Mutex<[String]>([])
    let reads = Atomic(0)
    let threads = (0..<3).map { _ in
      Thread {
        var last = RebuildRig.Seen()
        while !isDone.load(ordering: .acquiring) {
          do {
            let seen = try rig.read()
            if seen.count < last.count || seen.version < last.version {
              faults.withLock { $0.append("\(last), and then \(seen)") }
            }
            last = seen
            reads.add(1, ordering: .relaxed)
          } catch { faults.withLock { $0.append("\(error)") } }
        }
      }
    }
    for thread in threads {
      thread.stackSize = 4 << 20
      thread.start()
    }
    let swaps = 15
    for version in 2..<swaps + 2 {
      try rig.publish(40)
      try rig.edit(RebuildRig.script(version))
      try rig.publish(40)
      try rig.wait("swap \(version)") { rig.group.swaps == version - 1 }
    }
    try rig.waitForEnd()
    isDone.store(true, ordering: .releasing)
    try rig.wait("the end of the readers") { threads.allSatisfy(\.isFinished) }
    #expect(faults.withLock { $0 }.isEmpty, "\(faults.withLock { $0.prefix(5) })")
    #expect(reads.load(ordering: .relaxed) > swaps)
    #expect(try rig.read() == .init(count: 200 + 80 * swaps, version: swaps + 1))
  }

  @Test func `a third version is the one that comes, and an edit that is taken back changes nothing`() throws
  {
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(20_000)
    try rig.start()
    try rig.waitForEnd()
    try rig.edit(RebuildRig.script(2))
    try rig.edit(RebuildRig.script(3))
    try rig.wait("the swap") { rig.group.swaps == 1 }
    #expect(try rig.read().version == 3)
    try rig.edit(RebuildRig.script(4))
    try rig.edit(RebuildRig.script(3))
    #expect(!rig.group.isRebuilding)
    let isThere = FileManager.default.fileExists(atPath: rig.project.paths.rebuilding("p"))
    // Either it was taken back in time, or the fourth had its place already and the third is rebuilt.
    if rig.group.swaps == 1 { #expect(!isThere) }
    try rig.publish(1)
    try rig.wait("the third version") { try rig.read() == .init(count: 20_001, version: 3) }
  }

  @Test func `an edit that is taken back while the version beside takes its place is not lost`() throws {
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(300)
    try rig.start()
    try rig.waitForEnd()
    for round in 1...40 {
      try rig.edit(RebuildRig.script(2))
      // A rebuild takes some ten milliseconds: it is met in all of its stages.
      usleep(UInt32(round) * 700)
      try rig.edit(RebuildRig.script(1))
      try rig.wait("the first version in round \(round)") {
        try !rig.group.isRebuilding && rig.read() == .init(count: 300, version: 1)
      }
    }
    #expect(rig.group.swaps > 0, "no version took its place in time")
  }

  @Test func `so many versions are folded beside at once, and the others have their turn`() throws {
    let turns = RebuildTurns()
    let taken = (0..<Limits.rebuildsAtOnce + 3).map { _ in turns.take() }
    #expect(taken == Array(repeating: true, count: Limits.rebuildsAtOnce) + [false, false, false])
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(300)
    try rig.start()
    try rig.waitForEnd()
    for _ in 0..<Limits.rebuildsAtOnce { #expect(rig.turns.take()) }
    try rig.edit(RebuildRig.script(2))
    usleep(UInt32(Limits.rebuildTurnPause / .microseconds(1)) * 3)
    #expect(rig.group.isRebuilding && rig.group.rebuild?.position == .start && rig.group.swaps == 0)
    #expect(!FileManager.default.fileExists(atPath: rig.project.paths.rebuilding("p")))
    rig.turns.giveBack()
    try rig.wait("its turn") { rig.group.swaps == 1 }
    // It gives it back, also where it stops or is given up.
    try rig.edit(RebuildRig.script(3, failing: true))
    try rig.wait("its end") { rig.group.failedRebuild != nil }
    try rig.edit(RebuildRig.script(4))
    try rig.edit(RebuildRig.script(5))
    try rig.wait("the last") { try rig.read().version == 5 }
    #expect(rig.turns.take() && !rig.turns.take())
  }

  @Test func `a version that stops on its way leaves the one that serves`() throws {
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(50)
    try rig.start()
    try rig.waitForEnd()
    try rig.edit(RebuildRig.script(2, failing: true))
    try rig.wait("its end") { rig.group.failedRebuild != nil }
    #expect(rig.titles.contains { $0.contains("was not rebuilt") }, "\(rig.titles)")
    #expect(!rig.group.isRebuilding && !rig.group.hasEnded)
    try rig.publish(10)
    try rig.wait("the version before") { try rig.read() == .init(count: 60, version: 1) }
    try rig.edit(RebuildRig.script(2))
    try rig.wait("the mended version") { try rig.read() == .init(count: 60, version: 2) }
  }

  @Test func `after a swap what is written shares its index with other processes`() throws {
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(300)
    try rig.start()
    try rig.waitForEnd()
    for version in 2...4 {
      // Somebody asks how far it is, and has the file open while it takes its place.
      let asking = version == 3 ? try Asking(rig) : nil
      try rig.edit(RebuildRig.script(version))
      try rig.wait("the swap") { rig.group.swaps == version - 1 }
      try rig.publish(5)
      try rig.waitForEnd()
      asking?.end()
      // SQLite finds the readers of a file by the index of its write-ahead log alone, which has a name.
      let open = try RebuildTests.openFiles(below: rig.folder).filter { $0.contains("-shm") }
      #expect(open.contains { $0.hasSuffix("/p.sqlite-shm") }, "\(open)")
      #expect(!open.contains { $0.contains("rebuilding") || $0.hasSuffix("(deleted)") }, "\(open)")
    }
    #expect(try rig.read() == .init(count: 315, version: 4))
  }

  /// What this process has open there, as the system names it.
  private static func openFiles(below folder: URL) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { number in
      var name = [UInt8](repeating: 0, count: 4_096)
      let bytes = name.withUnsafeMutableBytes {
        readlink("/proc/self/fd/\(number)", $0.baseAddress!, $0.count)
      }
      // What was closed since they were listed has no name.
      guard bytes > 0 else { return nil }
      let path = String(decoding: name.prefix(bytes), as: UTF8.self)
      return path.contains(folder.lastPathComponent) ? path : nil
    }
  }

  /// Has what is beside open over and over, as `sys.handlers` may.
  private final class Asking: @unchecked Sendable {
    // Unchecked: the flag is atomic, the thread is written once.
    private let isDone = Atomic(false)
    private var thread: Thread?

    init(_ rig: RebuildRig) throws {
      let path = rig.project.paths.rebuilding("p")
      let thread = Thread { [self] in
        var kept: StoreReader?
        while !isDone.load(ordering: .acquiring) {
          // It comes and goes.
          do { kept = try kept ?? StoreReader(path: path) } catch { usleep(100) }
        }
        _ = kept
      }
      self.thread = thread
      thread.start()
    }

    func end() { isDone.store(true, ordering: .releasing) }
  }

  @Test func `a version by which more events fail takes nobody's place, unless that is asked for`() throws {
    func failing(_ version: Int, from first: Int) -> String {
      RebuildRig.script(version, failing: true)
        .replacingOccurrences(of: "exhausted = \"halt\",", with: "")
        .replacingOccurrences(of: "> 10", with: ">= \(first)")
    }
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(50)
    try rig.start()
    try rig.waitForEnd()
    try rig.edit(failing(2, from: 41))
    try rig.wait("its end") { rig.group.failedRebuild != nil }
    #expect(rig.titles.contains { $0.hasPrefix("10 more events fail by version ") }, "\(rig.titles)")
    #expect(try rig.read() == .init(count: 50, version: 1))
    try rig.publish(5)
    try rig.wait("the version before") { try rig.read() == .init(count: 55, version: 1) }
    let definition = try rig.edit(failing(3, from: 46))
    try rig.wait("its end too") { rig.group.failedRebuild != nil }
    // The same, asked for.
    let catalog = try LoadedScripts.load(rig.project.paths, files: rig.project.files).catalog
    #expect(try rig.group.rebuild(definition, rig.group.setting.with(catalog), .anew))
    try rig.wait("the swap") { rig.group.swaps == 1 }
    #expect(try rig.read() == .init(count: 45, version: 3))
    // No more of them fail than did.
    try rig.edit(failing(4, from: 46))
    try rig.wait("another swap") { rig.group.swaps == 2 }
    #expect(try rig.read() == .init(count: 45, version: 4))
  }

  @Test func `whoever is in the middle of a query keeps what he reads`() throws {
    let rig = try RebuildRig()
    defer { rig.end() }
    try rig.publish(3_000)
    try rig.start()
    try rig.waitForEnd()
    let slow = SlowSink { count throws in
      guard count == 100 else { return }
      try rig.edit(RebuildRig.script(2))
      try rig.publish(500)
      try rig.wait("the swap") { rig.group.swaps == 1 }
      try rig.wait("the new version") { try rig.read() == .init(count: 3_500, version: 2) }
    }
    try ProjectDoor.query(QueryRequest("select v from t order by i"), of: rig.project.paths, to: slow)
    #expect(slow.fault == nil && slow.values == Array(repeating: 1, count: 3_000), "\(slow.values.count)")
    try rig.edit(RebuildRig.script(3))
    try rig.wait("another swap") { rig.group.swaps == 2 }
    #expect(try rig.read() == .init(count: 3_500, version: 3))
  }

  @Test func `what a stopped run left beside is gone on with, and dropped when nobody wants it`() throws {
    let folder: URL
    do {
      let first = try RebuildRig()
      folder = first.folder
      try first.publish(20_000)
      try first.start()
      try first.waitForEnd()
      try first.edit(RebuildRig.script(2))
      try first.wait("a part of it") { first.group.rebuild.map { $0.position > .start } ?? true }
      try first.stop()
    }
    let isSwapped = try RebuildTests.applied(ProjectPaths(root: folder.path).readModel("p")).version == 2
    if !isSwapped {
      let beside = try RebuildTests.applied(ProjectPaths(root: folder.path).rebuilding("p"))
      #expect(beside.applied > 0)
      do {
        let second = try RebuildRig(folder, script: RebuildRig.script(2))
        try second.start()
        try second.wait("it is open") { second.group.position > .start }
        #expect(second.group.position.value >= beside.applied, "it began anew")
        try second.waitForEnd()
        #expect(try second.read() == .init(count: 20_000, version: 2))
        try second.edit(RebuildRig.script(3, failing: true))
        try second.wait("its end") { second.group.failedRebuild != nil }
        try second.stop()
      }
    }
    let third = try RebuildRig(folder, script: RebuildRig.script(2))
    defer { third.end() }
    try third.start()
    try third.waitForEnd()
    #expect(try third.read() == .init(count: 20_000, version: 2))
    #expect(!FileManager.default.fileExists(atPath: third.project.paths.rebuilding("p")))
  }

  private static func applied(_ path: String) throws -> (applied: UInt64, version: Int) {
    let reader = try StoreReader(path: path)
    let sink = RebuildRig.NumberSink()
    let model = QueryCatalog.Model(name: "p", path: path, tables: ["t"])
    let engine = try QueryEngine(QueryCatalog([model]), clock: SystemClock())
    try engine.run("select ifnull(max(v), 0) from t") { _ in
    } row: { row in
      sink.numbers.append(Int(row.cells[0].bits))
      return true
    }
    return (try reader.ledger().applied, sink.numbers.first ?? 0)
  }
}

/// Does something in the middle of its rows.
private final class SlowSink: RowSink {
  private(set) var values: [Int] = []
  private(set) var fault: (any Error)?
  private let act: (Int) throws -> Void

  init(_ act: @escaping (Int) throws -> Void) { self.act = act }

  func columns(_ names: [String]) throws(Diagnostic) {}

  func row(_ row: RowBuffer) throws(Diagnostic) {
    values.append(Int(row.cells[0].bits))
    do { try act(values.count) } catch { fault = error }
  }
}

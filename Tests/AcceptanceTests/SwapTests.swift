import Foundation
import Glibc
import MoontideCore
import MoontideHost
import Synchronization
import Testing

/// Read models are rebuilt and put back under readers, by the real binary. `MOONTIDE_SWAPS` sets how many
/// swaps, `MOONTIDE_SWAP_ROWS` how many rows the longest wait is measured with.
@Suite(.serialized) struct SwapTests {
  /// - Parameter filler: bytes that each row has beside.
  private static func script(_ version: Int, filler: Int? = nil) -> String {
    let more = filler.map { ", filler = string.rep('x', \($0))" } ?? ""
    return """
      projection "p" {
        schema = [[
          create table t(i integer primary key, v integer not null\(filler == nil ? "" : ", filler text"));
          create table total(k text primary key, n integer not null) without rowid;
        ]],
        on = { A = function(event, db)
          db.t:put { i = event.data.i, v = \(version)\(more) }
          db.total:add("all", { n = 1 })
        end } }
      """
  }

  /// A project whose readers look at it as `query` does, in this process.
  private final class Story: @unchecked Sendable {
    // Unchecked: the project is a folder and never changes; all else is behind locks.
    let project: TestProject
    private let lines = Mutex(0)
    private let faults = Mutex<[String]>([])
    private let waits = Mutex<[Duration]>([])
    private let isDone = Atomic(false)
    private let readers = Atomic(0)

    init() throws {
      project = try TestProject()
      try project.write(SwapTests.script(1), to: "handlers/p.lua")
      try project.write("", to: "events/a.jsonl")
    }

    /// Appends events with the next numbers to the event directory.
    func append(_ count: Int) throws {
      let file = try FileHandle(forWritingTo: project.folder.appending(path: "events/a.jsonl"))
      try file.seekToEnd()
      try lines.withLock { lines in
        var text = ""
        for number in lines + 1...lines + count {
          text += #"{"id":"e-\#(number)","type":"A","data":{"i":\#(number)}}"# + "\n"
        }
        lines += count
        try file.write(contentsOf: Data(text.utf8))
      }
      try file.close()
    }

    var count: Int { lines.withLock { $0 } }

    /// What a reader finds: how many events, by which version. Throws what no reader may ever see.
    func read() throws -> (count: Int, version: Int) {
      let sink = Numbers()
      try ProjectDoor.query(
        QueryRequest(
          """
          select (select n from total), count(*), ifnull(min(v), 0), ifnull(max(v), 0), ifnull(sum(i), 0) from t
          """), of: ProjectPaths(root: project.path), to: sink)
      let row = sink.numbers
      guard row.count == 5, row[1] > 0 else { throw Fault("no rows: \(row)") }
      guard row[0] == row[1], row[2] == row[3], row[4] == row[1] * (row[1] + 1) / 2 else {
        throw Fault("a mixture: \(row)")
      }
      return (row[1], row[2])
    }

    /// Polls until `stop`, a hundred times a second.
    func poll(_ threads: Int, light: Bool = false) {
      for _ in 0..<threads {
        readers.add(1, ordering: .acquiringAndReleasing)
        let thread = Thread { [self] in
          var last = 0
          while !isDone.load(ordering: .acquiring) {
            let began = ContinuousClock.now
            do {
              let seen = light ? try count("select n from total") : try read().count
              if seen < last { faults.withLock { $0.append("\(seen) events after \(last)") } }
              last = seen
            } catch { faults.withLock { $0.append("\(error)") } }
            let wait = ContinuousClock.now - began
            waits.withLock { $0.append(wait) }
            usleep(5_000)
          }
          readers.subtract(1, ordering: .acquiringAndReleasing)
        }
        thread.stackSize = 4 << 20
        thread.start()
      }
    }

    private func count(_ sql: String) throws -> Int {
      let sink = Numbers()
      try ProjectDoor.query(QueryRequest(sql), of: ProjectPaths(root: project.path), to: sink)
      guard let number = sink.numbers.first else { throw Fault("no rows") }
      return number
    }

    func stop() throws -> (faults: [String], waits: [Duration]) {
      isDone.store(true, ordering: .releasing)
      try LiveRun.wait("the end of the readers") { readers.load(ordering: .acquiring) == 0 }
      return (faults.withLock { $0 }, waits.withLock { $0.sorted() })
    }
  }

  private final class Numbers: RowSink {
    var numbers: [Int] = []
    func columns(_ names: [String]) throws(Diagnostic) {}
    func row(_ row: RowBuffer) throws(Diagnostic) { numbers += row.cells.map { Int($0.bits) } }
  }

  private static func setting(_ name: String, _ otherwise: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? otherwise
  }

  @Test func `readers beside a run see no swap`() throws {
    let story = try Story()
    let path = story.project.path
    try story.append(500)
    try story.project.runOnce()
    let run = try LiveRun(["run", path, "--watch"])
    try run.waitForError("caught up")
    story.poll(2)
    let swaps = Self.setting("MOONTIDE_SWAPS", 6)
    var version = 1
    for swap in 1...swaps {
      try story.append(60)
      switch swap % 3 {
      case 0: try Binary.succeed(["projection", "rollback", path, "p", "-q"])
      case 1: try Binary.succeed(["projection", "rebuild", path, "p", "-q"])
      default:
        version += 1
        try story.project.write(Self.script(version), to: "handlers/p.lua")
        try LiveRun.wait("version \(version)") { try story.read().version == version }
      }
    }
    try LiveRun.wait("the last event") { try story.read().count == story.count }
    let outcome = try story.stop()
    #expect(outcome.faults.isEmpty, "\(outcome.faults.prefix(5)) of \(outcome.waits.count) reads")
    #expect(run.interrupt() == 0)
    let proof = try Binary.run(["projection", "verify", path, "p"])
    #expect(proof.status == 0, "\(proof.output) \(proof.errors)")
  }

  @Test func `a run that dies anywhere in a rebuild or a rollback leaves the one read model or the other`()
    throws
  {
    let points: [CrashPoint] = [
      .duringStoreCreation, .afterProof, .beforeSwap, .beforeRename, .duringSwap, .afterRename, .afterSwap,
      .duringRollback,
    ]
    for point in points {
      let story = try Story()
      let path = story.project.path
      try story.append(300)
      try story.project.runOnce()
      if point == .duringRollback { try Binary.succeed(["projection", "rebuild", path, "p", "-q"]) }
      let verb = point == .duringRollback ? "rollback" : "rebuild"
      let dead = try Binary.run(
        ["projection", verb, path, "p", "-q"], environment: ["MOONTIDE_CRASH_AT": point.rawValue])
      #expect(dead.status == SIGKILL, "\(point): \(dead.status) \(dead.errors)")
      // What a reader finds with nobody at work.
      #expect(try story.read() == (300, 1), "\(point)")
      try story.append(20)
      try story.project.runOnce()
      #expect(try story.read() == (320, 1), "\(point)")
      try Binary.succeed(["projection", verb, path, "p", "-q"])
      #expect(try story.read() == (320, 1), "\(point)")
      let proof = try Binary.run(["projection", "verify", path, "p"])
      #expect(proof.status == 0, "\(point): \(proof.output) \(proof.errors)")
    }
  }

  @Test func `what was rolled back stays so until the script is edited to something else`() throws {
    let story = try Story()
    let path = story.project.path
    try story.append(100)
    try story.project.runOnce()
    let none = try Binary.run(["projection", "rollback", path, "p"])
    #expect(none.status == 2 && none.errors.contains("E0403"), "\(none.errors)")
    try story.project.write(Self.script(2), to: "handlers/p.lua")
    try story.project.runOnce()
    #expect(try story.read() == (100, 2))
    try Binary.succeed(["projection", "rollback", path, "p", "-q"])
    #expect(try story.read() == (100, 1))
    try story.append(10)
    try story.project.runOnce()
    #expect(try story.read() == (110, 1), "a run took the script up that was gone back from")
    #expect(try Binary.run(["projection", "verify", path, "p"]).status == 0)
    // There and back again.
    try Binary.succeed(["projection", "rollback", path, "p", "-q"])
    #expect(try story.read() == (110, 2))
    try Binary.succeed(["projection", "rollback", path, "p", "-q"])
    #expect(try story.read() == (110, 1))
    try story.project.write(Self.script(3), to: "handlers/p.lua")
    try story.project.runOnce()
    #expect(try story.read() == (110, 3))
    try story.project.write(Self.script(2), to: "handlers/p.lua")
    try story.project.runOnce()
    #expect(try story.read() == (110, 2), "what was gone back from once was held against it for ever")
  }

  /// 20,000 events on a disk of their own, handled, a run that goes on and readers.
  private func onSmallDisk(kibibytes: Int) throws -> (Story, SmallDisk, LiveRun) {
    let folder = FileManager.default.temporaryDirectory.appending(path: "moontide-disk-\(UUID().uuidString)")
    let disk = try SmallDisk(folder, kibibytes: kibibytes)
    let story = try Story()
    try story.append(20_000)
    let data = story.project.folder.appending(path: "data")
    try FileManager.default.createSymbolicLink(at: data, withDestinationURL: folder)
    try story.project.runOnce()
    let run = try LiveRun(["run", story.project.path, "--watch"])
    try run.waitForError("caught up")
    story.poll(1)
    return (story, disk, run)
  }

  @Test func `a full disk stops a rebuild, not the read model`() throws {
    guard SmallDisk.isAllowed else { return }
    let (story, disk, run) = try onSmallDisk(kibibytes: 16 << 10)
    defer { withExtendedLifetime(disk) {} }
    try disk.fill(leaving: 64)
    try story.project.write(Self.script(2), to: "handlers/p.lua")
    try run.waitForError("E0314")
    #expect(try story.read() == (20_000, 1))
    try disk.empty()
    try LiveRun.wait("the new version") { try story.read() == (20_000, 2) }
    let outcome = try story.stop()
    #expect(outcome.faults.isEmpty, "\(outcome.faults.prefix(5))")
    #expect(run.interrupt() == 0)
  }

  @Test func `a rebuild without room gives way to what is live, and is done once there is some`() throws {
    guard SmallDisk.isAllowed else { return }
    let (story, disk, run) = try onSmallDisk(kibibytes: 96 << 10)
    defer { withExtendedLifetime(disk) {} }
    try disk.fill(leaving: 12 << 10)
    // It needs 20 MB, and as much for its write-ahead log.
    try story.project.write(Self.script(2, filler: 1_000), to: "handlers/p.lua")
    try run.waitForError("it gave way to what is live")
    for _ in 0..<5 {
      try story.append(200)
      try LiveRun.wait("the live path") { try story.read() == (story.count, 1) }
    }
    let short = try run.errors().split(separator: "\n").filter { $0.contains("E0314") }
    // Until it gives way what is live may meet the full disk too, and waits for that moment.
    let gave = short.firstIndex { $0.contains("rebuil") } ?? short.endIndex
    #expect(gave <= 1 && short[gave...].allSatisfy { $0.contains("rebuil") }, "\(short)")
    #expect(short.count <= 3, "\(short)")
    try disk.empty()
    try LiveRun.wait("the new version") { try story.read() == (story.count, 2) }
    let outcome = try story.stop()
    #expect(outcome.faults.isEmpty, "\(outcome.faults.prefix(5))")
    #expect(run.interrupt() == 0)
    #expect(try Binary.run(["projection", "verify", story.project.path, "p"]).status == 0)
  }

  /// Else readers in other processes would go by another index of the write-ahead log than the run does.
  @Test func `a run has read models open by files that have their names`() throws {
    let story = try Story()
    try story.append(5_000)
    try story.project.runOnce()
    let run = try LiveRun(["run", story.project.path, "--watch"])
    try run.waitForError("caught up")
    for edition in 2...5 {
      try story.project.write(Self.script(edition), to: "handlers/p.lua")
      try LiveRun.wait("edition \(edition)") { try story.read() == (story.count, edition) }
      // A question that was just answered may still hold the one before.
      try LiveRun.wait("the files of edition \(edition): \(try run.files(with: ".sqlite"))") {
        try run.hasOnlyFiles(of: "p")
      }
    }
    try Binary.succeed(["projection", "rollback", story.project.path, "p", "-q"])
    try LiveRun.wait("the read model before") { try story.read() == (story.count, 4) }
    try LiveRun.wait("its files: \(try run.files(with: ".sqlite"))") { try run.hasOnlyFiles(of: "p") }
    #expect(run.interrupt() == 0)
  }

  @Test func `nobody waits long for a swap`() throws {
    let story = try Story()
    let path = story.project.path
    let rows = Self.setting("MOONTIDE_SWAP_ROWS", 20_000)
    for _ in 0..<max(1, rows / 20_000) { try story.append(min(rows, 20_000)) }
    try story.project.runOnce()
    let run = try LiveRun(["run", path])
    try run.waitForError("caught up")
    story.poll(2, light: true)
    try Binary.succeed(["projection", "rebuild", path, "p", "-q"])
    let outcome = try story.stop()
    #expect(outcome.faults.isEmpty, "\(outcome.faults.prefix(5))")
    let (longest, median) = (outcome.waits.last ?? .zero, outcome.waits[outcome.waits.count / 2])
    print("\(rows) rows: the longest of \(outcome.waits.count) reads \(longest), the median \(median)")
    // A machine that is busy with other tests has waits of its own: the bound proper is for a quiet one.
    #expect(longest < .milliseconds(rows > 20_000 ? 50 : 500), "\(longest) beside \(median)")
    #expect(run.interrupt() == 0)
  }
}

extension LiveRun {
  /// Whether it has a read model open, with its write-ahead log and the index of that, and no other one.
  fileprivate func hasOnlyFiles(of name: String) throws -> Bool {
    let found = try files(with: ".sqlite").map { $0.split(separator: "/").last.map(String.init) ?? "" }
    return Set(found) == ["\(name).sqlite", "\(name).sqlite-shm", "\(name).sqlite-wal"]
  }
}

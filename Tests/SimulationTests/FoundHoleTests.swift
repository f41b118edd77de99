import MoontideCore
import MoontideHost
import MoontideLog
import Testing

@testable import Simulation

/// Holes that the simulation found once, each by itself.
struct FoundHoleTests {
  private func makeDisk(_ seed: UInt64) -> SimulatedDisk {
    let disk = SimulatedDisk(SeededNumbers(seed))
    for directory in ["l", "p", "p/events"] { disk.make(directory: directory) }
    return disk
  }

  private func open(_ disk: SimulatedDisk) throws(LogError) -> SegmentedLog {
    try SegmentedLog(
      directory: "l/log", files: disk.files(), clock: SimulatedClock(), randomness: SeededNumbers(2),
      options: LogOptions(segmentBytesMax: 1_500, indexSealEntries: 4, markBytes: 300, offsetMarkInterval: 2))
  }

  private func ids(_ log: any EventLog) throws -> [String] {
    let batch = RecordBatch()
    var ids: [String] = []
    var at = Position.start
    while at < log.durableEnd {
      at = try log.read(from: at, records: 100, bytes: 1 << 20, into: batch)
      ids += batch.records.map { batch.bytes.text($0.envelope.id) }
    }
    return ids
  }

  @Test(arguments: 1...8)
  func `a new log is there after a power cut`(seed: UInt64) throws {
    let disk = makeDisk(seed)
    let world = OutsideWorld(disk, SeededNumbers(seed))
    let log = try open(disk)
    try world.publish(to: log)
    let seen = try ids(log)
    disk.cutPower()
    #expect(try ids(open(disk)) == seen)
  }

  @Test(arguments: 1...4)
  func `what a killed process left is durable before anyone sees it`(seed: UInt64) throws {
    var crashed = 0
    for point in 1..<400 {
      let disk = makeDisk(seed &+ UInt64(point))
      let world = OutsideWorld(disk, SeededNumbers(seed))
      disk.crashAt = point
      do throws(LogError) {
        let log = try open(disk)
        for _ in 0..<8 { try world.publish(to: log) }
      } catch { crashed += 1 }
      if !disk.isDown { break }
      disk.kill()
      let log = try open(disk)
      try world.publish(to: log)
      let seen = try ids(log)
      disk.cutPower()
      #expect(try ids(open(disk)) == seen, "killed at operation \(point), seed \(seed)")
    }
    #expect(crashed > 40, "\(crashed) crashes")
  }

  @Test(arguments: 1...20)
  func `a sync that failed before a restart is not taken for done`(seed: UInt64) throws {
    let disk = makeDisk(seed)
    let world = OutsideWorld(disk, SeededNumbers(seed))
    let first = try open(disk)
    try world.publish(to: first)
    disk.faults.sync = 1
    #expect(throws: LogError.self) { for _ in 0..<4 { try world.publish(to: first) } }
    disk.faults = .none
    disk.kill()
    let seen = try ids(open(disk))
    disk.cutPower()
    #expect(try Array(ids(open(disk)).prefix(seen.count)) == seen)
  }

  private func ingest(_ disk: SimulatedDisk, _ log: any EventLog) -> IngestWorker {
    IngestWorker(
      directory: EventDirectory(path: "p/events", files: disk.files()), files: disk.files(), log: log,
      clock: SimulatedClock())
  }

  private func caughtUp(_ worker: IngestWorker) -> Bool {
    for _ in 0..<40 where !worker.progress.isCaughtUp { _ = worker.step() }
    return worker.progress.isCaughtUp
  }

  @Test func `a full disk when a topic is new is waited for`() throws {
    let disk = makeDisk(1)
    let line = #"{"id":"a","type":"A","data":{}}"# + "\nbad\n"
    _ = disk.append(Array(line.utf8), to: "p/events/a.jsonl")
    let log = try open(disk)
    let worker = ingest(disk, log)
    disk.room = 0
    #expect(!caughtUp(worker))
    #expect(worker.progress.failure == nil)
    disk.room = .max
    #expect(caughtUp(worker))
    #expect(try ids(log).count == 2 && worker.progress.counts.quarantined == 1)
  }

  @Test func `a file that could not be opened for now is tried again`() throws {
    let disk = makeDisk(1)
    _ = disk.append(Array((#"{"id":"a","type":"A","data":{}}"# + "\n").utf8), to: "p/events/a.jsonl")
    let log = try open(disk)
    let worker = ingest(disk, log)
    for kind in [\DiskFaults.open, \DiskFaults.read] {
      disk.faults[keyPath: kind] = 1
      #expect(!caughtUp(worker), "nothing can be read")
      disk.faults = .none
    }
    #expect(caughtUp(worker))
    #expect(try ids(log) == ["a"])
  }
}

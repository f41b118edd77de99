import MoontideCore
import MoontideHost
import MoontideJSON
import MoontideLog
import MoontideRuntime
import Testing

@testable import Simulation

/// Holes of the write side that the simulation found once, each by itself.
struct FoundCommandHoleTests {
  /// A cache that outlives a process, and loses nothing.
  private final class KeptSnapshots: SnapshotStore {
    var streams: [[UInt8]: StreamSnapshot] = [:]
    var place: LogMark?

    func snapshot(topic: TopicName, key: [UInt8]) -> StreamSnapshot? { streams[key] }
    func keep(_ snapshots: [StreamSnapshot], reached: LogMark?) {
      for snapshot in snapshots { streams[snapshot.key] = snapshot }
      if let reached { place = reached }
    }
    func reached() -> LogMark? { place }
  }

  private let disk = SimulatedDisk(SeededNumbers(7))
  private let clock = SimulatedClock()
  private let catalog = SimulationScripts.catalog(ScriptEdition())
  private let snapshots = KeptSnapshots()

  init() {
    for directory in ["l", "p", "p/events", "p/commands"] { disk.make(directory: directory) }
  }

  private func open() throws -> SegmentedLog {
    try SegmentedLog(
      directory: "l/log", files: disk.files(), clock: clock, randomness: SeededNumbers(2),
      options: LogOptions())
  }

  /// Takes lines of commands into the log.
  private func ingest(_ lines: [String], into log: any EventLog) {
    _ = disk.append(Array(lines.map { $0 + "\n" }.joined().utf8), to: "p/commands/c.jsonl")
    var options = IngestOptions()
    let catalog = catalog
    options.completeCommand = { batch throws(EnvelopeFault) in try Command.complete(batch, catalog: catalog) }
    let worker = IngestWorker(
      directory: EventDirectory(path: "p/events", commands: "p/commands", files: disk.files()),
      files: disk.files(), log: log, clock: clock, options: options)
    for _ in 0..<60 where !worker.progress.isCaughtUp { _ = worker.step() }
    #expect(worker.progress.isCaughtUp)
  }

  private func worker(_ log: any EventLog) throws -> DeciderWorker {
    let definition = try #require(catalog.decider("account"))
    return try DeciderWorker(
      definition, catalog: catalog, log: log, snapshots: snapshots, inbox: CommandInbox(),
      surroundings: HandlerSurroundings(
        clock: clock, randomness: SeededNumbers(3), report: { _ in }, print: { _, _, _ in }),
      board: DeciderBoard(), partitions: { _ in nil })
  }

  private func records(_ log: any EventLog, _ kind: RecordKind) throws -> [LogWitness.Seen] {
    let witness = LogWitness()
    try witness.readOn(log)
    #expect(witness.violations.isEmpty)
    return witness.records.filter { $0.kind == kind }
  }

  @Test func `a line whose command's id names another command is set aside`() throws {
    let log = try open()
    ingest(
      [
        #"{"id":"a","type":"Sweep","data":{"account":"a1"}}"#,
        #"{"id":"a","type":"Turn","data":{"account":"a1"}}"#,
      ], into: log)
    #expect(try records(log, .command).map(\.type) == ["Sweep"])
    #expect(try records(log, .quarantine).count == 1)
  }

  @Test func `an event under an id that its script gave before fails the command`() throws {
    let log = try open()
    let stamp = { (id: String) in #"{"id":"\#(id)","type":"Stamp","data":{"account":"a1","seal":4}}"# }
    ingest([stamp("a"), stamp("b")], into: log)
    let worker = try worker(log)
    while worker.step() == .progressed {}
    let outcomes = try records(log, .outcome)
    #expect(outcomes.map(\.type) == ["CommandAccepted", "CommandFailed"])
    #expect(outcomes.allSatisfy { $0.data.contains("\"version\":1,") }, "\(outcomes)")
    #expect(try records(log, .event).map(\.id) == ["seal-4"])
  }

  @Test func `a flush that failed does not take commands for looked through`() throws {
    let log = try open()
    ingest([#"{"id":"a","type":"Deposit","data":{"account":"a1","amount":4}}"#], into: log)
    let first = try worker(log)
    _ = try log.topic(.outcomes, partitions: 1)
    try log.flush()
    disk.faults.sync = 1
    #expect(first.step() == .finished && first.board.status.halted != nil)
    first.settle()
    #expect(snapshots.place == nil)
    disk.faults = .none
    disk.cutPower()
    let again = try open()
    #expect(try records(again, .command).count == 1)
    let second = try worker(again)
    while second.step() == .progressed {}
    #expect(try records(again, .outcome).map(\.type) == ["CommandAccepted"])
  }

  @Test func `a place beyond the end of the log is not trusted`() throws {
    let log = try open()
    snapshots.place = LogMark(position: Position(900), fingerprint: .zero)
    ingest([#"{"id":"a","type":"Deposit","data":{"account":"a1","amount":4}}"#], into: log)
    let worker = try worker(log)
    while worker.step() == .progressed {}
    #expect(try records(log, .outcome).count == 1)
  }
}

import Foundation
import MoontideCore
import MoontideLog
import MoontideSQLite
import Testing

@testable import MoontideRuntime

/// Snapshots of streams: they spare the folding, and nothing follows from them that does not follow from the
/// log. `evolve` prints, so that what was folded can be counted. `MOONTIDE_STREAM_EVENTS` sets how long the
/// long stream is.
@Suite struct SnapshotTests {
  private static let decider = """
    local rule = require "lib.rule"
    decider "account" {
      topic = "accounts", key = "account", snapshot_every = 10,
      initial = function() return { balance = 0, events = 0 } end,
      decide = {
        Deposit = function(command) return events.Deposited { amount = command.data.amount } end,
        Look = function() return {} end,
      },
      evolve = {
        Deposited = function(state, event)
          print("folded")
          state.balance = state.balance + rule.of(event.data.amount)
          state.events = state.events + 1
          return state
        end,
      },
    }
    """
  private static let rule = "return { of = function(amount) return amount end }"
  private static let upcaster = """
    upcaster "Deposited" { [1] = function(data) data.amount = data.amount * 1 return data end }
    """
  private static let other = #"consumer "other" { on = { Deposited = function() end } }"#

  private func project(
    decider: String = decider, rule: String = rule, upcaster: String = upcaster, other: String = other,
    over project: TestProject? = nil
  ) throws -> TestProject {
    let scripts = [
      "handlers/account.lua": decider, "handlers/upcasters.lua": upcaster, "handlers/other.lua": other,
    ]
    guard let project else { return try TestProject(scripts, modules: ["lib.rule": rule]) }
    project.edit(scripts, modules: ["lib.rule": rule])
    return project
  }

  /// Deposits of 1, 2, 3 and so on, so that every prefix of the stream has another balance.
  private func fill(_ project: TestProject, _ account: String, _ count: Int) throws {
    for number in 1...count {
      try project.enqueue(
        "Deposited", key: account, data: #"{"amount":\#(number)}"#, topic: TopicName("accounts")!)
    }
    try project.log.flush()
  }

  private func folded(_ project: TestProject) -> Int {
    project.told.prints.withLock { prints in
      defer { prints = [] }
      return prints.count
    }
  }

  @Test func `a long stream is loaded from its snapshot without a fold, to the same state`() throws {
    let count = ProcessInfo.processInfo.environment["MOONTIDE_STREAM_EVENTS"].flatMap(Int.init) ?? 2_000
    let project = try project()
    try fill(project, "a", count)
    let truth = try DecidingRig.truth(project, "a")
    #expect(truth == #"{"balance":\#(count * (count + 1) / 2),"events":\#(count)}"#)
    #expect(try DecidingRig(project).look("a", id: "c-1") == truth)
    #expect(folded(project) == count)
    #expect(try DecidingRig(project).look("a", id: "c-2") == truth)
    #expect(folded(project) == 0)
    // What came since is folded, and it alone.
    try fill(project, "a", 3)
    #expect(try DecidingRig(project).look("a", id: "c-3") == DecidingRig.truth(project, "a"))
    let rig = try DecidingRig(project)
    #expect(folded(project) == 0)
    _ = try rig.look("a", id: "c-4")
    #expect(folded(project) == 3)
  }

  @Test func `an edit of evolve, of a module or of an upcaster meets no old snapshot, any other edit does`()
    throws
  {
    let edits: [(String, (TestProject) throws -> TestProject, isUsed: Bool)] = [
      (
        "evolve",
        {
          try self.project(
            decider: Self.decider.replacingOccurrences(of: "+ rule", with: "+ 2 * rule"), over: $0)
        }, false
      ),
      (
        "module",
        {
          try self.project(
            rule: Self.rule.replacingOccurrences(of: "return amount end", with: "return -amount end"),
            over: $0)
        }, false
      ),
      (
        "upcaster",
        { try self.project(upcaster: Self.upcaster.replacingOccurrences(of: "* 1", with: "* 3"), over: $0) },
        false
      ),
      ("another handler", { try self.project(other: Self.other + " -- edited", over: $0) }, true),
    ]
    for (name, edit, isUsed) in edits {
      let old = try project()
      try fill(old, "a", 20)
      let before = try DecidingRig(old).look("a", id: "c-1")
      #expect(folded(old) == 20)
      let edited = try edit(old)
      let truth = try DecidingRig.truth(edited, "a")
      #expect((truth == before) == isUsed, "\(name): \(truth)")
      #expect(try DecidingRig(edited).look("a", id: "c-2") == truth, "\(name)")
      #expect(folded(edited) == (isUsed ? 0 : 20), "\(name)")
    }
  }

  @Test func `a snapshot is used only where the log agrees with it`() throws {
    let project = try project()
    try fill(project, "a", 20)
    try fill(project, "b", 5)
    let truth = try DecidingRig.truth(project, "a")
    let batch = RecordBatch()
    let topic = try project.log.topic(TopicName("accounts")!, partitions: 4).id
    _ = try project.log.read(topic: topic, key: Array("a".utf8), from: 9, records: 2, into: batch)
    let (tenth, eleventh) = (batch.records[0].position, batch.records[1].position)
    // Another stream's state: a balance of 15.
    let (_, explanation) = try DecidingRig(project).send("Look", #"{"account":"b"}"#, id: "c-b")
    let state = try #require(explanation.before)
    let prints = [tenth: batch.records[0], eleventh: batch.records[1]].mapValues {
      $0.fingerprint(in: batch.bytes)
    }
    func forged(_ version: Int, _ position: Position, of event: Position? = nil) -> StreamSnapshot {
      StreamSnapshot(
        topic: TopicName("accounts")!, key: Array("a".utf8), version: version, position: position,
        fingerprint: prints[event ?? position] ?? .zero, state: state)
    }
    // The control: one that fits is believed, or this test could not fail.
    let believed = try DecidingRig(project) { try $0.keep([forged(10, tenth)], reached: nil) }
    #expect(try believed.look("a", id: "c-0") == #"{"balance":170,"events":15}"#)
    for (number, snapshot) in [
      forged(10, eleventh), forged(11, tenth), forged(21, eleventh), forged(1 << 40, tenth),
      forged(10, Position(1 << 60)), forged(10, tenth, of: eleventh),
    ].enumerated() {
      let rig = try DecidingRig(project) { try $0.keep([snapshot], reached: nil) }
      #expect(try rig.look("a", id: "c-\(number + 1)") == truth, "version \(snapshot.version)")
    }
  }

  @Test func `a file of snapshots that is damaged, another log's, or gone changes no answer`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    let random = SeededRandomness(seed)
    let project = try project()
    for account in ["a", "b", "c"] { try fill(project, account, 25) }
    let path = DecidingRig.path(project)
    func open(_ id: String) throws {
      let rig = try DecidingRig(project)
      for account in ["a", "b", "c"] {
        let truth = try DecidingRig.truth(project, account)
        #expect(try rig.look(account, id: "\(id)-\(account)") == truth, "seed \(seed), \(id)")
      }
      // Nothing of the log was passed over.
      while case .progressed = rig.worker.step() {}
      rig.worker.settle()
      #expect(rig.worker.board.status.position == project.log.durableEnd, "seed \(seed), \(id)")
    }
    try open("first")
    for round in 0..<60 {
      for ending in ["-wal", "-shm"] where FileManager.default.fileExists(atPath: path + ending) {
        try FileManager.default.removeItem(atPath: path + ending)
      }
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let at = Int(random.next() % UInt64(max(1, bytes.count)))
      switch round % 4 {
      case 0: bytes = bytes.prefix(at)
      case 1: bytes = Data()
      default: if !bytes.isEmpty { bytes[at] ^= 1 << UInt8(random.next() % 8) }
      }
      try bytes.write(to: URL(fileURLWithPath: path))
      try open("round-\(round)")
    }
    let stranger = try self.project()
    for account in ["a", "b", "c"] { try fill(stranger, account, 30) }
    #expect(try DecidingRig(stranger, path: path).look("a", id: "s") == DecidingRig.truth(stranger, "a"))
    try open("after the stranger")
  }
}

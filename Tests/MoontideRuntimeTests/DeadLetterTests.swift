import MoontideCore
import Testing

@testable import MoontideRuntime

private func receipts(mended: Bool = false, more: String = "") -> [String: String] {
  let fault = mended ? "" : "if event.data.bad then error(\"no receipt\") end"
  return [
    "handlers/r.lua": """
    consumer "receipts" {
      on = { OrderPlaced = function(event, ctx)
        \(fault)
        if event.data.worse then error("never") end
        ctx.state.seen = (ctx.state.seen or 0) + 1
        ctx.emit { type = "Receipt", topic = "receipts", data = { i = event.data.i, nth = ctx.state.seen } }
      end },
      retry = { attempts = 2, backoff = "1s" }, \(more)
    }
    """
  ]
}

private let sums = [
  "handlers/s.lua": """
  projection "sums" {
    schema = "create table t(k text primary key, n integer not null)",
    on = { OrderPlaced = function(event, db) db.t:add(event.key, { n = event.data.i }) end },
  }
  """
]

/// What a person does about dead letters.
struct DeadLetterTests {
  /// Keys `hot` and `calm`, five events each; the second of `hot` is bad.
  private func published(_ scripts: [String: String]) throws -> TestProject {
    let project = try TestProject(scripts)
    for index in 0..<5 {
      try project.publish(
        "OrderPlaced", key: "hot", data: #"{"i":\#(index)\#(index == 1 ? #","bad":1"# : "")}"#)
      try project.publish("OrderPlaced", key: "calm", data: #"{"i":\#(index)}"#)
    }
    return project
  }

  private let bad = Position(2)

  /// Per key, what was emitted in the order of the log.
  private func emitted(_ project: TestProject) throws -> [String: [String]] {
    var found: [String: [String]] = [:]
    for event in try project.events(TopicName("receipts")!) { found[event[1], default: []].append(event[3]) }
    return found
  }

  private func numbered(_ indexes: [Int]) -> [String] {
    indexes.enumerated().map { #"{"i":\#($1),"nth":\#($0 + 1)}"# }
  }

  private func sum(_ rig: HandlerRig) throws -> Int {
    let ledger = try rig.stores[0].ledger()
    let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
    return Int(ledger.applied + ledger.skipped) + held + ledger.deadLetters
  }

  @Test func `after mending and a retry the outputs of every key are those of an undisturbed run`() throws {
    let project = try published(receipts())
    let before = try HandlerRig(project, "receipts")
    try before.run()
    #expect(try emitted(project) == ["hot": numbered([0]), "calm": numbered([0, 1, 2, 3, 4])])
    #expect(before.status.parkedDead == 1 && before.status.held == 3)

    project.edit(receipts(mended: true))
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    #expect(try emitted(project)["hot"] == numbered([0]), "mending alone decides nothing")
    try project.decide("receipts", Decision(.retry, [bad]))
    try project.publish("OrderPlaced", key: "hot", data: #"{"i":5}"#)
    try rig.run()
    #expect(
      try emitted(project) == ["hot": numbered([0, 1, 2, 3, 4, 5]), "calm": numbered([0, 1, 2, 3, 4])])
    #expect(rig.status.applied == 11 && rig.status.dead == 0 && rig.status.held == 0)
    #expect(try sum(rig) == 11)
  }

  @Test func `a retry that fails is a dead letter again at once, and its key goes on waiting`() throws {
    let project = try published(receipts())
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    try project.decide("receipts", Decision(.retry, [bad]))
    try rig.run()
    let ledger = try rig.stores[0].ledger()
    #expect(ledger.parked.map(\.status) == [.dead] && ledger.parked.first?.attempts == 3)
    #expect(ledger.deadCodes == [bad: "E0301"])
    #expect(try sum(rig) == 10 && rig.status.dead == 1)
    let states = project.told.reports.withLock { $0 }.last?.details.first { $0.label == "state" }?.text
    #expect(states?.hasPrefix("attempt 3, asked for by a person → dead letter d-2; 3 later events") == true)
  }

  @Test func `a skipped event is never applied, what waited behind it is, and a fresh fold does the same`()
    throws
  {
    let project = try published(receipts())
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    try project.decide("receipts", Decision(.skip, [bad], reason: "a test \"order\"\n"))
    try rig.run()
    #expect(try emitted(project)["hot"] == numbered([0, 2, 3, 4]))
    #expect(rig.status.skipped == 1 && rig.status.applied == 9 && rig.status.dead == 0)
    try checkFreshFold(project, mended: false)
    // Even where the script would take it now.
    try checkFreshFold(project, mended: true)
  }

  @Test func `a corrected event is applied with its correction, the log keeps both`() throws {
    let project = try published(receipts())
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    try project.decide("receipts", Decision(.correct, [bad], data: Array(#"{"i":77,"worse":true}"#.utf8)))
    try rig.run()
    #expect(try emitted(project)["hot"] == numbered([0]), "the first correction is no good")
    try project.decide("receipts", Decision(.correct, [bad], data: Array(#"{"i": 42}"#.utf8)))
    try rig.run()
    #expect(try emitted(project)["hot"] == numbered([0, 42, 2, 3, 4]))
    #expect(try project.events(.events).map { $0[3] }.contains(#"{"i":1,"bad":1}"#))
    #expect(try Rulings.load(of: "receipts", from: project.log).decisions == 2)
    try checkFreshFold(project, mended: false)
  }

  /// A consumer whose file was lost comes to the same ledger from the same log; what it emits is there
  /// already.
  private func checkFreshFold(_ project: TestProject, mended: Bool) throws {
    let live = try project.events(TopicName("receipts")!)
    let fresh = try TestProject(receipts(mended: mended, more: "from = \"start\""), over: project)
    let rig = try HandlerRig(fresh, "receipts")
    try rig.run()
    #expect(try project.events(TopicName("receipts")!) == live, "nothing new is emitted")
    #expect(rig.status.dead == 0 && rig.status.held == 0)
    #expect(try sum(rig) == 10)
  }

  @Test func `a dead letter that nothing waits behind is retried once, and skipped once`() throws {
    let project = try published(receipts(more: "exhausted = \"skip\""))
    try project.publish("OrderPlaced", key: "other", data: #"{"i":9,"bad":1}"#)
    let first = try HandlerRig(project, "receipts")
    try first.run()
    #expect(try first.stores[0].ledger().deadCodes.keys.sorted() == [bad, Position(10)])
    project.edit(receipts(mended: true, more: "exhausted = \"skip\""))
    let rig = try HandlerRig(project, "receipts")
    let other = try #require(project.log.topics().first { $0.name == .events }).id
    #expect(other.value == 0)
    for _ in 0..<2 {
      try project.decide("receipts", Decision(.retry, [bad]))
      try project.decide("receipts", Decision(.skip, [Position(10)]))
      try rig.run()
      #expect(try emitted(project)["hot"] == numbered([0, 2, 3, 4]) + [#"{"i":1,"nth":5}"#])
      #expect(try emitted(project)["other"] == nil)
      #expect(rig.status.applied == 10 && rig.status.skipped == 1 && rig.status.dead == 0)
    }
    #expect(try sum(rig) == 11)
  }

  @Test func `a poison event in each of a thousand keys: one decision, every key as if undisturbed`() throws {
    let project = try TestProject(receipts(more: "lanes = 2"))
    for round in 0..<3 {
      for key in 0..<1_000 {
        let poison = round == 1 || key == 7 ? #","bad":1"# : ""
        try project.enqueue("OrderPlaced", key: "k\(key)", data: #"{"i":\#(round)\#(poison)}"#)
      }
    }
    try project.publish("OrderPlaced", key: "hot", data: #"{"i":0}"#)
    let before = try HandlerRig(project, "receipts")
    try before.run()
    let letters = try before.stores[0].ledger().deadCodes.keys.sorted()
    #expect(letters.count == 1_000)
    project.edit(receipts(mended: true, more: "lanes = 2"))
    try project.decide("receipts", Decision(.retry, letters))
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    let outputs = try emitted(project)
    #expect(outputs.count == 1_001)
    #expect(outputs.allSatisfy { $0.key == "hot" || $0.value == numbered([0, 1, 2]) })
    let ledger = try rig.stores[0].ledger()
    #expect(ledger.applied == 3_001 && ledger.parked.isEmpty && ledger.deadLetters == 0)
  }

  @Test(arguments: [Decision.Action.retry, .skip, .correct])
  func `a kill anywhere in a redrive neither loses nor doubles an event`(action: Decision.Action) throws {
    let correction = action == .correct ? Array(#"{"i":42}"#.utf8) : []
    func prepared() throws -> TestProject {
      let project = try published(receipts())
      try HandlerRig(project, "receipts").run()
      if action == .retry { project.edit(receipts(mended: true)) }
      try project.decide("receipts", Decision(action, [bad], data: correction))
      return project
    }
    let project = try prepared()
    let calm = CrashPoint(at: .max)
    try HandlerRig(project, "receipts", log: MortalLog(project.log, calm)) { MortalStore($0, calm) }.run()
    let wanted = try emitted(project)
    let second = action == .retry ? [1] : action == .skip ? [] : [42]
    #expect(wanted["hot"] == numbered([0] + second + [2, 3, 4]))
    for crash in 0..<calm.seen {
      let project = try prepared()
      let point = CrashPoint(at: crash)
      try HandlerRig.untilDead(project, "receipts", point)
      let rig = try HandlerRig(project, "receipts")
      try rig.run()
      #expect(try emitted(project) == wanted, "after a crash at call \(crash)")
      #expect(try sum(rig) == 10 && rig.status.dead == 0, "after a crash at call \(crash)")
    }
  }

  @Test func `a projection follows the decisions it was begun with, at their events`() throws {
    let project = try TestProject(sums)
    for index in 0..<4 {
      let data = index == 1 || index == 2 ? #"{"i":"much"}"# : #"{"i":\#(index)}"#
      try project.publish("OrderPlaced", key: "k\(index)", data: data)
    }
    let live = try HandlerRig(project, "sums")
    try live.run()
    #expect(live.status.dead == 2 && live.status.degradedSince == Position(1))
    try project.decide("sums", Decision(.correct, [Position(1)], data: Array(#"{"i":10}"#.utf8)))
    try project.decide("sums", Decision(.skip, [Position(2)]))
    try live.run()
    #expect(
      try live.rows("select k, n from t order by k") == ["k0|0", "k3|3"], "rows are rebuilt, not patched")
    let rebuilt = try HandlerRig(TestProject(sums, over: project), "sums", decided: 2)
    try rebuilt.run()
    #expect(try rebuilt.rows("select k, n from t order by k") == ["k0|0", "k1|10", "k3|3"])
    #expect(rebuilt.status.applied == 3 && rebuilt.status.skipped == 1 && rebuilt.status.dead == 0)
    let partly = try HandlerRig(TestProject(sums, over: project), "sums", decided: 1)
    try partly.run()
    #expect(partly.status.dead == 1 && partly.status.degradedSince == Position(2))
  }

  @Test func `decisions about one handler are nothing to another`() throws {
    let project = try published(receipts().merging(sums) { first, _ in first })
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    try project.decide("sums", Decision(.skip, [bad]))
    try rig.run()
    #expect(rig.status.dead == 1 && rig.status.skipped == 0 && rig.status.held == 3)
  }
}

extension HandlerRig {
  /// Steps until the crash point kills it.
  static func untilDead(_ project: TestProject, _ name: String, _ point: CrashPoint) throws {
    let rig = try HandlerRig(project, name, log: MortalLog(project.log, point)) { MortalStore($0, point) }
    for _ in 0..<10_000 where !point.isDead {
      var isIdle = true
      for worker in rig.workers as [any Worker] + (rig.relay.map { [$0] } ?? []) where !point.isDead {
        if case .progressed = worker.step() { isIdle = false }
      }
      if isIdle { project.clock.sleep(for: .milliseconds(500)) }
      if isIdle, rig.status.retrying == 0, rig.status.position == project.log.durableEnd {
        rig.workers[0].settle()
      }
    }
    #expect(point.isDead, "the run ended before its crash")
  }
}

import MoontideCore
import Testing

@testable import MoontideRuntime

private func receipts(mended: Bool = false, attempts: Int = 2, policy: String = "halt") -> [String: String] {
  let fault = mended ? "" : "if event.data.bad then error(\"no receipt\") end"
  return [
    "handlers/r.lua": """
    consumer "receipts" {
      on = { OrderPlaced = function(event, ctx)
        \(fault)
        ctx.emit { type = "Receipt", topic = "receipts", data = { i = event.data.i } }
      end },
      retry = { attempts = \(attempts), backoff = "1s" }, exhausted = "\(policy)",
    }
    """
  ]
}

private let sums = [
  "handlers/s.lua": """
  projection "sums" {
    schema = "create table t(k text primary key, n integer not null)",
    on = { OrderPlaced = function(event, db) db.t:add(event.key, { n = event.data.i }) end },
    exhausted = "halt",
  }
  """
]

/// Handlers that stopped at an event, and how they get going again.
struct HaltTests {
  private let bad = Position(1)

  private func published(_ scripts: [String: String]) throws -> TestProject {
    let project = try TestProject(scripts)
    for index in 0..<4 {
      let more = index == 1 ? #","bad":1"# : ""
      try project.publish("OrderPlaced", key: "k\(index % 2)", data: #"{"i":\#(index)\#(more)}"#)
    }
    return project
  }

  /// Per key, what was emitted in the order of the log.
  private func emitted(_ project: TestProject) throws -> [String: [String]] {
    var found: [String: [String]] = [:]
    let topic = try #require(TopicName("receipts"))
    for event in try project.events(topic) { found[event[1], default: []].append(event[3]) }
    return found
  }

  private func sum(_ rig: HandlerRig) throws -> Int {
    let ledger = try rig.stores[0].ledger()
    let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
    return Int(ledger.applied + ledger.skipped) + held + ledger.deadLetters
  }

  @Test(arguments: [1, 2])
  func `a consumer that stopped has a dead letter, and goes on once its script is mended`(attempts: Int)
    throws
  {
    let project = try published(receipts(attempts: attempts))
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    #expect(rig.workers[0].step() == .finished)
    let help = rig.status.halted?.details.first { $0.label == "help" }?.text
    #expect(help == "moontide dead show d-1 · moontide explain E0301")
    #expect(try rig.stores[0].ledger().deadCodes == [bad: "E0301"])
    // Started again with the same script it tries again, and stops again; the letter is still one.
    let again = try HandlerRig(project, "receipts")
    try again.run()
    #expect(again.status.halted != nil && again.status.dead == 1)
    #expect(try again.stores[0].ledger().parked.map(\.attempts) == [attempts + 1])
    project.edit(receipts(mended: true, attempts: attempts))
    let mended = try HandlerRig(project, "receipts")
    try mended.run()
    #expect(mended.status.halted == nil && mended.status.dead == 0)
    #expect(
      try emitted(project) == ["k0": [#"{"i":0}"#, #"{"i":2}"#], "k1": [#"{"i":1}"#, #"{"i":3}"#]])
    #expect(try sum(mended) == 4)
  }

  @Test(arguments: [Decision.Action.skip, .correct])
  func `a decision about what stopped a consumer gets it going`(action: Decision.Action) throws {
    let project = try published(receipts())
    try HandlerRig(project, "receipts").run()
    let data = action == .correct ? Array(#"{"i":7}"#.utf8) : []
    try project.decide("receipts", Decision(action, [bad], data: data))
    let rig = try HandlerRig(project, "receipts")
    try rig.run()
    #expect(rig.status.halted == nil && rig.status.dead == 0 && rig.status.held == 0)
    let other = action == .correct ? [#"{"i":7}"#] : []
    #expect(try emitted(project)["k1"] == other + [#"{"i":3}"#])
    #expect(rig.status.skipped == (action == .skip ? 1 : 0))
    #expect(try sum(rig) == 4)
  }

  @Test func `a read model that stopped stays so until something is decided, and then is rebuilt past it`()
    throws
  {
    let project = try TestProject(sums)
    for index in 0..<4 {
      try project.publish("OrderPlaced", data: index == 1 ? #"{"i":"much"}"# : #"{"i":\#(index)}"#)
    }
    try HandlerRig(project, "sums").run()
    let standing = try HandlerRig(project, "sums")
    #expect(standing.workers[0].step() == .finished)
    #expect(standing.status.halted?.code == "E0310")
    let help = standing.status.halted?.details.last?.text
    #expect(help?.hasPrefix("moontide dead show d-1@sums · ") == true, "\(help ?? "")")
    #expect(try standing.rows("select n from t") == ["0"] && standing.status.dead == 1)
    try project.decide("sums", Decision(.skip, [bad]))
    let rebuilt = try HandlerRig(TestProject(sums, over: project), "sums", decided: 1)
    try rebuilt.run()
    #expect(rebuilt.status.halted == nil && rebuilt.status.skipped == 1)
    #expect(try rebuilt.rows("select n from t") == ["5"])
  }

  @Test func `a decision further on than a stopped consumer has come is carried out, and once`() throws {
    let project = try published(receipts(attempts: 1, policy: "park"))
    try HandlerRig(project, "receipts").run()
    // As it stands where something else stops the consumer: before the decision.
    project.edit(receipts(mended: true, attempts: 1, policy: "park"))
    try project.publish("OrderPlaced", key: "k1", data: #"{"i":4}"#)
    try project.decide("receipts", Decision(.retry, [bad]))
    let rig = try HandlerRig(project, "receipts", batchRecords: 1)
    #expect(rig.workers[0].step() == .progressed)
    #expect(rig.status.dead == 0 && rig.status.held == 0, "the key went on before the decision was read")
    try rig.run()
    #expect(try emitted(project)["k1"] == [#"{"i":1}"#, #"{"i":3}"#, #"{"i":4}"#])
    #expect(try sum(rig) == 5)
  }
}

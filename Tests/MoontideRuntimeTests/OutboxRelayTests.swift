import MoontideCore
import Testing

@testable import MoontideRuntime

struct OutboxRelayTests {
  private func project(id: String) throws -> TestProject {
    try TestProject([
      "handlers/c.lua": """
      consumer "c" { from = "start", on = { A = function(event, ctx)
        ctx.emit { type = "B", id = \(id), data = { i = event.data.i }, topic = "out" }
      end } }
      """
    ])
  }

  @Test func `an emitted event in conflict is a dead letter of its own and the rest goes on`() throws {
    let project = try project(id: "event.data.id")
    for (index, id) in ["x", "y", "x", "z"].enumerated() {
      try project.publish("A", key: "k\(index)", data: #"{"i":\#(index),"id":"\#(id)"}"#)
    }
    let rig = try HandlerRig(project, "c")
    try rig.run()
    #expect(try project.events(TopicName("out")!).map { $0[3] } == [#"{"i":0}"#, #"{"i":1}"#, #"{"i":3}"#])
    #expect(rig.relay?.board.status.conflicts == 1 && rig.relay?.board.status.relayed == 4)
    #expect(project.told.codes == ["E0312"])
    #expect(try rig.stores[0].ledger().deadLetters == 1)
    #expect(try rig.stores[0].outbox(from: 0, limit: 9).isEmpty)
  }

  @Test func `a handler's file that was deleted emits the same events again, and the log has them once`()
    throws
  {
    let project = try project(id: "nil")
    for index in 0..<5 { try project.publish("A", key: "k\(index)", data: #"{"i":\#(index)}"#) }
    try HandlerRig(project, "c").run()
    let before = try project.events(TopicName("out")!)
    for suffix in ["", "-wal", "-shm"] {
      try project.files.remove(project.scratch.file("c.sqlite" + suffix))
    }
    try project.publish("A", key: "k9", data: #"{"i":9}"#)
    let rig = try HandlerRig(project, "c")
    try rig.run()
    let after = try project.events(TopicName("out")!)
    #expect(before.count == 5 && Array(after.prefix(5)) == before && after.count == 6)
  }

  @Test func `a consumer that is new to a log with events in it must say from`() throws {
    let project = try TestProject(["handlers/c.lua": "consumer \"c\" { on = { A = function() end } }"])
    let definition = try project.definition("c")
    let new = HandlerLedger()
    #expect(try StartPlan.missing(definition, ledger: new, log: project.log) == nil)
    try project.publish("B")
    #expect(try StartPlan.missing(definition, ledger: new, log: project.log) == nil)
    try project.publish("A")
    try project.publish("A")
    let missing = try #require(try StartPlan.missing(definition, ledger: new, log: project.log))
    #expect(missing.code == "E0120" && missing.details[0].text.contains("handles 2 events"))
    var started = definition
    started.start = .now
    #expect(try StartPlan.missing(started, ledger: new, log: project.log) == nil)
    #expect(try StartPlan.position(started, known: [], ledger: new, log: project.log) == Position(3))
  }
}

import MoontideCore
import MoontideSQLite
import Synchronization
import Testing

@testable import MoontideRuntime

struct EffectRelayTests {
  static let scripts = [
    "handlers/c.lua": """
    consumer "c" { from = "start", retry = { attempts = 3, backoff = "1s", factor = 2, max = "1m" },
      on = { A = function(event, ctx)
        if event.data.bad then error("not yet") end
        ctx.effect("http", { url = "http://h/" .. event.key, json = { n = event.data.n }, about = event.data.n })
      end },
      on_result = function(result, ctx)
        ctx.state.seen = (ctx.state.seen or "") .. result.data.about .. (result.data.ok and "+" or "-")
        ctx.emit { type = "R", data = { seen = ctx.state.seen, tries = result.data.attempts, id = result.id,
          type = result.type, topic = result.topic, error = result.data.error } }
      end }
    """
  ]

  private func project(_ count: Int = 0, keys: Int = 2) throws -> TestProject {
    let project = try TestProject(Self.scripts)
    for index in 0..<count { try project.publish("A", key: "k\(index % keys)", data: #"{"n":\#(index)}"#) }
    return project
  }

  private static func failed(_ text: String = "down", after: Duration? = nil, blames: Bool = true)
    -> EffectOutcome
  {
    EffectOutcome(.failed(blamesTarget: blames, retryAfter: after), error: text)
  }

  @Test func `each effect is performed once in the order of its key, and on_result is told in that order`()
    throws
  {
    let project = try project(6)
    let performer = ScriptedPerformer()
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(performer.jobs.count == 6 && Set(performer.jobs.map(\.key)).count == 6)
    for key in ["k0", "k1"] {
      let own = performer.requests.filter { $0.contains("http://h/\(key)") }
      #expect(own == own.sorted() && own.count == 3)
    }
    let results = try project.events(.events).filter { $0[0] == "R" }
    #expect(results.count == 6)
    #expect(results.last { $0[1] == "k0" }?[3].contains(#""seen":"0+2+4+""#) == true, "\(results)")
    #expect(results.last { $0[1] == "k1" }?[3].contains(#""seen":"1+3+5+""#) == true)
    #expect(results.allSatisfy { $0[3].contains(#""type":"http""#) && $0[3].contains(#""topic":"events""#) })
    #expect(try rig.ledger() == Array(repeating: "done 1 1", count: 6))
    // Every event and every result counts as applied once.
    #expect(try rig.store.ledger().applied == 12)
    let definition = try project.definition("c")
    #expect(try StartPlan.matching(definition, from: .start, log: project.log) == 12)
  }

  @Test func `keys go side by side, and one that is on its way holds back its own key alone`() throws {
    let project = try project(8, keys: 4)
    let performer = ScriptedPerformer { _, _ in nil }
    let rig = try EffectRig(project, performer)
    try rig.settle()
    #expect(performer.jobs.count == 4)
    #expect(rig.effects.board.status.inFlight.count == 4 && rig.effects.board.status.open == 8)
    performer.release(EffectOutcome(.done))
    try rig.settle()
    #expect(performer.jobs.count == 8)
    performer.release(EffectOutcome(.done))
    try rig.run()
    #expect(try rig.ledger() == Array(repeating: "done 1 1", count: 8))
  }

  @Test func `a failed try is repeated by policy under the same key while its key waits and others go on`()
    throws
  {
    let project = try project(4)
    let performer = ScriptedPerformer { job, tries in
      let isFirst = String(decoding: job.request.shown, as: UTF8.self).contains(#""n":0"#)
      return isFirst && tries < 3 ? Self.failed(blames: false) : EffectOutcome(.done)
    }
    let rig = try EffectRig(project, performer)
    try rig.settle()
    #expect(performer.requests.map { $0.contains("k1") } == [false, true, true], "\(performer.requests)")
    #expect(try rig.ledger() == ["failed 1 1 down", "done 1 1", "waiting 0 1", "done 1 1"])
    let began = project.clock.monotonic
    try rig.run()
    #expect(project.clock.monotonic - began >= .milliseconds(1_500), "half of 1 s and of 2 s at least")
    #expect(performer.jobs.count == 6)
    #expect(Set(performer.jobs.map(\.key)).count == 4, "a key for each effect, however often it is tried")
    #expect(try rig.ledger() == ["done 3 1", "done 1 1", "done 1 1", "done 1 1"])
    #expect(project.told.codes == [])
  }

  @Test func `what asks to be left alone is not asked before`() throws {
    let project = try project(1)
    let times = Mutex<[Duration]>([])
    let clock = project.clock
    let performer = ScriptedPerformer { _, tries in
      times.withLock { $0.append(clock.monotonic) }
      return tries == 1 ? Self.failed("busy", after: .seconds(90)) : EffectOutcome(.done)
    }
    let rig = try EffectRig(project, performer)
    try rig.run()
    let seen = times.withLock { $0 }
    #expect(seen.count == 2 && seen[1] - seen[0] >= .seconds(90) && seen[1] - seen[0] < .seconds(95))
    #expect(project.told.codes == ["E0374"], "who waits is told why")
  }

  @Test func `an effect that is given up is told to on_result, holds nothing, and can be performed again`()
    throws
  {
    let project = try project(3, keys: 1)
    let isMended = Mutex(false)
    let performer = ScriptedPerformer { job, _ in
      let isFirst = String(decoding: job.request.shown, as: UTF8.self).contains(#""n":0"#)
      return isFirst && !isMended.withLock { $0 } ? Self.failed(blames: false) : EffectOutcome(.done)
    }
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(try rig.ledger() == ["dead 3 1 down", "done 1 1", "done 1 1"])
    #expect(project.told.codes == ["E0372"])
    isMended.withLock { $0 = true }
    let transaction = try rig.store.begin(folding: false)
    try transaction.write(.effect(.again(sequence: 0)))
    try transaction.commit()
    rig.effects.board.lookAgain([0])
    try rig.run()
    #expect(try rig.ledger() == ["done 1 2", "done 1 1", "done 1 1"])
    #expect(performer.jobs.count == 6 && Set(performer.jobs.map(\.key)).count == 3)
    let results = try project.events(.events).filter { $0[0] == "R" }
    #expect(results.last?[3].contains(#""seen":"0-1+2+0+""#) == true, "\(results.last ?? [])")
    #expect(results.count == 4)
  }

  @Test func `an answer that no other try changes ends an effect at once`() throws {
    let project = try project(1)
    let performer = ScriptedPerformer { _, _ in
      EffectOutcome(.refused, response: Array(#""status":404"#.utf8), error: "the server answered 404")
    }
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(performer.jobs.count == 1)
    #expect(try rig.ledger() == ["dead 1 1 the server answered 404"])
    let result = try #require(try rig.store.effect(0)).result
    #expect(
      String(decoding: result, as: UTF8.self)
        == #"{"ok":false,"error":"the server answered 404","status":404,"attempts":1,"about":0}"#)
  }

  @Test func `a target that is down is left alone, and what it held back is tried in the end`() throws {
    let project = try project(20, keys: 20)
    let performer = ScriptedPerformer { _, _ in Self.failed() }
    let rig = try EffectRig(project, performer, patience: .seconds(5))
    try rig.settle()
    #expect(performer.jobs.count <= Limits.effectsAtOncePerHandler)
    #expect(rig.circuits.open == ["http://h"])
    let before = performer.jobs.count
    try rig.settle()
    #expect(performer.jobs.count == before, "an open circuit lets nothing through")
    try rig.run()
    #expect(try rig.ledger() == Array(repeating: "dead 3 1 down", count: 20))
    #expect(performer.jobs.count == 60, "each was really tried as often as the policy says")
  }

  @Test func `what was on its way when the process died is performed again under its key`() throws {
    let project = try project(2)
    let performer = ScriptedPerformer { _, tries in tries == 1 ? nil : EffectOutcome(.done) }
    try EffectRig(project, performer).settle()
    #expect(performer.jobs.count == 2)
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(performer.jobs.count == 4 && Set(performer.jobs.map(\.key)).count == 2)
    try EffectRig(project, performer).run()
    #expect(performer.jobs.count == 4, "what is done is never performed again")
  }

  @Test func `a ledger that was lost performs nothing again whose result the log has`() throws {
    let project = try project(4)
    let performer = ScriptedPerformer { job, _ in
      EffectOutcome(.done, response: Array(#""status":201"#.utf8))
    }
    try EffectRig(project, performer).run()
    let before = try project.events(.events)
    for suffix in ["", "-wal", "-shm"] {
      try project.files.remove(project.scratch.file("c.sqlite" + suffix))
    }
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(performer.jobs.count == 4)
    #expect(try rig.ledger() == Array(repeating: "done 0 1", count: 4))
    #expect(try project.events(.events) == before)
  }

  @Test func `results that are too long for one batch of the log go into several`() throws {
    let project = try TestProject([
      "handlers/c.lua": """
      consumer "c" { from = "start", on = { A = function(event, ctx)
        ctx.effect("http", { url = "http://h/", about = event.data })
      end },
      on_result = function(result, ctx) ctx.emit { type = "R", data = { n = #result.data.about.t } } end }
      """
    ])
    let text = String(repeating: "x", count: 900_000)
    for index in 0..<12 { try project.publish("A", key: "k\(index)", data: #"{"t":"\#(text)"}"#) }
    let performer = ScriptedPerformer { _, _ in nil }
    let rig = try EffectRig(project, performer)
    try rig.settle()
    #expect(performer.jobs.count == 12)
    // All of them end at once.
    performer.release(EffectOutcome(.done))
    try rig.run()
    #expect(project.told.codes == [] && performer.jobs.count == 12)
    #expect(try rig.ledger() == Array(repeating: "done 1 1", count: 12))
    #expect(
      try project.events(.events).filter { $0[0] == "R" }.map { $0[3] }
        == Array(repeating: #"{"n":900000}"#, count: 12))
  }

  @Test func `a result that the log has and the ledger does not is taken, also of a later try`() throws {
    let project = try project(1)
    let performer = ScriptedPerformer { _, _ in Self.failed(blames: false) }
    let first = try EffectRig(project, performer)
    try first.settle()
    let effect = try #require(try first.store.effect(0))
    #expect(effect.attempts == 1 && performer.jobs.count == 1)
    // The second try was done; the process died after its result was written, before the ledger knew.
    let batch = DraftBatch()
    EffectResult(EffectOutcome(.done), attempts: 2, request: EffectTemplate(effect.request)).draft(
      of: effect, maker: "c", topic: try project.log.topic(.results, partitions: nil).id, into: batch)
    _ = try project.log.append(AppendRequest(batch: batch))
    try project.log.flush()
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(performer.jobs.count == 1)
    #expect(try rig.ledger() == ["done 1 1"])
    #expect(try project.events(.events).last?[3].contains(#""seen":"0+""#) == true)
  }

  @Test func `an event that first succeeds by redrive causes its effect then, under one key`() throws {
    let project = try project()
    let position = try project.publish("A", data: #"{"n":0,"bad":true}"#)
    let performer = ScriptedPerformer()
    try EffectRig(project, performer).run()
    #expect(performer.jobs.isEmpty)
    project.edit([
      "handlers/c.lua": Self.scripts["handlers/c.lua"]!.replacing("event.data.bad", with: "false")
    ])
    try project.decide("c", Decision(.retry, [position]))
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(performer.jobs.count == 1)
    try EffectRig(project, performer).run()
    #expect(performer.jobs.count == 1)
    #expect(try project.events(.events).count { $0[0] == "R" } == 1)
  }

  @Test func `an event that fails after its effect leaves no effect`() throws {
    let project = try TestProject([
      "handlers/c.lua": """
      consumer "c" { from = "start", retry = { attempts = 2 }, on = { A = function(event, ctx)
        ctx.effect("log", { file = "l.log", text = "x" })
        if event.data.bad then error("no") end
      end } }
      """
    ])
    try project.publish("A", key: "a", data: #"{"bad":true}"#)
    try project.publish("A", key: "b")
    let performer = ScriptedPerformer()
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(performer.jobs.map(\.kind) == [.log])
    #expect(try rig.store.effectEnd() == 1)
  }
}

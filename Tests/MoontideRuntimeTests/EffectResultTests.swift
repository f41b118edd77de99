import MoontideCore
import Testing

@testable import MoontideRuntime

struct EffectResultTests {
  private func project(_ onResult: String, lanes: Int = 1) throws -> TestProject {
    try TestProject([
      "handlers/c.lua": """
      consumer "c" { from = "start", lanes = \(lanes), retry = { attempts = 2, backoff = "1s" },
        on = {
          A = function(event, ctx)
            ctx.state.made = (ctx.state.made or 0) + 1
            ctx.effect("http", { url = "http://h/", about = { n = event.data.n } })
          end,
          B = function(event, ctx) ctx.emit { type = "SeenB", data = { results = ctx.state.results or 0 } } end,
        },
        on_result = function(result, ctx) \(onResult) end }
      """
    ])
  }

  @Test func `a result shares the state of its cause, whatever the lanes`() throws {
    for lanes in [1, 3] {
      let project = try project(
        """
        ctx.state.results = (ctx.state.results or 0) + 1
        ctx.emit { type = "Told", data = { made = ctx.state.made, results = ctx.state.results } }
        """, lanes: lanes)
      for index in 0..<30 { try project.publish("A", key: "k\(index % 10)", data: #"{"n":\#(index)}"#) }
      let rig = try EffectRig(project, ScriptedPerformer())
      try rig.run()
      let told = try project.events(.events).filter { $0[0] == "Told" }
      #expect(told.count == 30, "\(lanes) lanes")
      for key in 0..<10 {
        let last = told.last { $0[1] == "k\(key)" }
        #expect(last?[3] == #"{"made":3,"results":3}"#, "\(lanes) lanes, k\(key)")
      }
    }
  }

  @Test func `an on_result that fails parks the key, and what is published stays accounted for`() throws {
    let project = try project(#"if result.data.about.n == 0 then error("no") end"#)
    try project.publish("A", key: "a", data: #"{"n":0}"#)
    try project.publish("A", key: "b", data: #"{"n":1}"#)
    let rig = try EffectRig(project, ScriptedPerformer())
    try rig.run()
    try project.publish("B", key: "a")
    try project.publish("B", key: "b")
    try rig.run()
    let seen = try project.events(.events).filter { $0[0] == "SeenB" }.map { $0[1] }
    #expect(seen == ["b"], "the later event of the parked key waits")
    let ledger = try rig.store.ledger()
    #expect(ledger.deadLetters == 1 && ledger.parked.map(\.held.count) == [1])
    let published = try StartPlan.matching(try project.definition("c"), from: .start, log: project.log)
    #expect(published == 6 && ledger.applied == 4)
    // A mended script and a retry: the result, then what waited behind it.
    let position = try #require(ledger.parked.first).position
    project.edit([
      "handlers/c.lua": """
      consumer "c" { from = "start", retry = { attempts = 2, backoff = "1s" },
        on = { A = function() end,
          B = function(event, ctx) ctx.emit { type = "SeenB", data = { results = ctx.state.results } } end },
        on_result = function(result, ctx) ctx.state.results = 7 end }
      """
    ])
    try project.decide("c", Decision(.retry, [position]))
    let again = try EffectRig(project, ScriptedPerformer())
    try again.run()
    let after = try project.events(.events).filter { $0[0] == "SeenB" }
    #expect(after.map { $0[1] } == ["b", "a"] && after.last?[3] == #"{"results":7}"#)
    #expect(try again.store.ledger().deadLetters == 0)
  }

  @Test func `an effect of a result has a key of its own, and a chain of them has an end`() throws {
    let project = try project(
      #"ctx.effect("http", { url = "http://h/", about = { n = result.data.about.n } })"#)
    try project.publish("A", data: #"{"n":0}"#)
    let performer = ScriptedPerformer()
    let rig = try EffectRig(project, performer)
    try rig.run()
    #expect(performer.jobs.count == project.catalog.defaults.causationDepth)
    #expect(Set(performer.jobs.map(\.key)).count == performer.jobs.count)
    #expect(Set(project.told.codes) == ["E0309"])
  }

  @Test func `results are no events and concern no other handler`() throws {
    let project = try TestProject([
      "handlers/a.lua": """
      consumer "c" { from = "start", on = { A = function(event, ctx) ctx.effect("http", { url = "http://h/" }) end } }
      consumer "d" { from = "start", topics = { "events" }, on = { ["*"] = function(event, ctx) ctx.emit { type = "D", data = {}, topic = "o" } end },
        on_result = function() error("not mine") end }
      """
    ])
    try project.publish("A")
    try EffectRig(project, ScriptedPerformer()).run()
    try HandlerRig(project, "d").run()
    #expect(try project.events(TopicName("o")!).count == 1)
    #expect(project.told.codes == [])
  }
}

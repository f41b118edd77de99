import MoontideCore
import Testing

@testable import MoontideRuntime

/// Edited scripts meet open instances.
struct SagaChangeTests {
  private static let desk = """
    local function noted(command) return events.Noted { what = command.type } end
    decider "desk" {
      topic = "desk", key = "order",
      decide = { A = noted, B = noted, C = noted, D = noted, UndoA = noted, UndoB = noted, UndoC = noted,
        Done = noted, Over = noted },
      evolve = { Noted = function(state) return state end },
    }
    """

  /// A saga of steps that are named after their command, done by `ADone` and so on.
  private static func saga(_ steps: [String], more: String = "", timeout: String = "") -> String {
    let written = steps.map { step in
      """
      { name = "\(step)", succeeds_on = "\(step)Done", fails_on = "\(step)Failed", \(timeout)
        send = function(s) return commands.\(step) { order = s.order } end,
        compensate = function(s, result)
          return commands.Undo\(step) { order = s.order, result = result and result.data.n }
        end },
      """
    }
    return """
      saga "line" {
        starts_on = "Started", from = "start", clock = "event", retry = { attempts = 1 },
        correlate = function(event) return event.data.order end,
        initial = function(event) return { order = event.data.order } end,
        steps = { \(written.joined(separator: "\n")) },
        completed = function(s) return commands.Done { order = s.order } end,
        compensated = function(s) return commands.Over { order = s.order } end,
        \(more)
      }
      """
  }

  private static func files(_ saga: String) -> [String: String] {
    ["handlers/desk.lua": desk, "handlers/line.lua": saga]
  }

  private func say(_ project: TestProject, _ type: String, _ order: String, n: Int = 0) throws {
    try project.publish(
      type, key: order, data: #"{"order":"\#(order)","n":\#(n)}"#, time: "2026-03-01T09:00:00Z")
  }

  /// Orders of which A is done, and that wait for B.
  private func project(_ orders: [String], steps: [String] = ["A", "B"]) throws -> TestProject {
    let project = try TestProject(Self.files(Self.saga(steps)))
    for order in orders {
      try say(project, "Started", order)
      try say(project, "ADone", order, n: 7)
    }
    try SagaRig(project, "line").run()
    return project
  }

  private func edited(_ project: TestProject, _ saga: String) throws -> SagaRig {
    project.edit(Self.files(saga))
    let rig = try SagaRig(project, "line")
    try rig.run()
    return rig
  }

  @Test func `a migrated instance begins the step that is named, once, and undoes what was done`() throws {
    let project = try project(["o-1"])
    let script = Self.saga(
      ["C", "A"], more: "migrate = function(s, step, status) s.was = step .. status return s, \"C\" end")
    var rig = try edited(project, script)
    var instance = try rig.instance("o-1")
    #expect(instance.steps.map(\.phase) == [.waiting, .succeeded])
    #expect(instance.notes.map(\.kind) == [.migrated])
    #expect(try rig.state("o-1") == #"{"order":"o-1","was":"Brunning"}"#)
    rig = try SagaRig(project, "line")
    try rig.run()
    #expect(try rig.commands == ["A", "B", "C"])
    #expect(try rig.records(.timer).map(\.type) == ["SagaMigrated"])
    // What comes of a step that is gone changes nothing.
    try say(project, "BDone", "o-1")
    try say(project, "CFailed", "o-1")
    try rig.run()
    instance = try rig.instance("o-1")
    #expect(instance.status == .compensated)
    #expect(try rig.commands == ["A", "B", "C", "UndoA", "Over"])
    let undone = try rig.records(.command).first { $0.type == "UndoA" }
    #expect(undone?.data.contains(#""result":7"#) == true, "\(undone?.data ?? "")")
  }

  @Test func `a step that is done is not done again where it comes later, and false is the end`() throws {
    let project = try project(["o-1", "o-2"])
    let script = Self.saga(
      ["C", "A"],
      more: "migrate = function(s) if s.order == \"o-2\" then return s, false end return s, \"C\" end")
    let rig = try edited(project, script)
    #expect(try rig.instance("o-2").status == .completed)
    try say(project, "CDone", "o-1")
    try rig.run()
    #expect(try rig.instance("o-1").status == .completed)
    #expect(try rig.commands.sorted() == ["A", "A", "B", "B", "C", "Done", "Done"])
  }

  @Test func `a step that waited and was passed over is undone like one that timed out`() throws {
    let project = try project(["o-1"])
    let script = Self.saga(["B", "A", "C"], more: "migrate = function(s) return s, \"C\" end")
    let rig = try edited(project, script)
    #expect(try rig.instance("o-1").steps.map(\.phase) == [.abandoned, .succeeded, .waiting])
    try say(project, "CFailed", "o-1")
    try rig.run()
    #expect(try rig.commands == ["A", "B", "C", "UndoA", "UndoB", "Over"])
    #expect(try rig.instance("o-1").status == .compensated)
  }

  @Test func `a migration that fails parks its instance alone, and a mended script brings it along`() throws {
    let project = try project(["o-1", "o-2"])
    func script(_ body: String) -> String {
      Self.saga(["A", "C"], more: "migrate = function(s) \(body) end")
    }
    var rig = try edited(
      project, script("if s.order == \"o-1\" then error(\"no way\") end return s, \"C\""))
    #expect(try rig.instance("o-2").steps.map(\.phase) == [.succeeded, .waiting])
    let letter = try #require(try rig.store.deadLetters().first)
    #expect(letter.key == Array("o-1".utf8))
    #expect(letter.message.contains("migrate of instance o-1, step \"B\": no way"), "\(letter.message)")
    #expect(rig.status.dead == 1)
    for order in ["o-1", "o-2"] { try say(project, "CDone", order) }
    try rig.run()
    #expect(try rig.instance("o-2").status == .completed)
    // It says nothing of the step, and that is gone.
    rig = try edited(project, script("return s"))
    let again = try #require(try rig.store.deadLetters().first)
    #expect(again.message.contains("the step on which it stands is gone"), "\(again.message)")
    #expect(rig.status.dead == 1)
    rig = try edited(project, script("return s, \"C\""))
    #expect(rig.status.dead == 0)
    #expect(try rig.store.deadLetters().isEmpty)
    #expect(try rig.instance("o-1").status == .completed)
    #expect(try rig.commands.filter { $0 == "C" }.count == 2)
  }

  @Test func `an instance on its way back goes on with the steps that there are`() throws {
    let stuck = Self.desk.replacing("UndoB = noted", with: "UndoB = function() return reject(\"NO\") end")
    let project = try TestProject([
      "handlers/desk.lua": stuck, "handlers/line.lua": Self.saga(["A", "B", "C"]),
    ])
    try say(project, "Started", "o-1")
    for type in ["ADone", "BDone", "CFailed"] { try say(project, type, "o-1") }
    let rig = try SagaRig(project, "line")
    try rig.run()
    #expect(try rig.instance("o-1").status == .stuck)
    let after = try edited(project, Self.saga(["A", "C"], more: "migrate = function() end"))
    #expect(try after.instance("o-1").status == .compensated)
    #expect(try after.commands == ["A", "B", "C", "UndoB", "UndoA", "Over"])
  }

  @Test func `pinned instances end by the sources they stand by, and those are forgotten then`() throws {
    let project = try project(["o-1", "o-2"])
    let old = project.catalog.sagas["line"]?.handler.scriptVersion ?? ""
    let script = Self.saga(["A", "C"], more: "pin = true,")
    var rig = try edited(project, script)
    try say(project, "Started", "o-3")
    try say(project, "ADone", "o-3")
    try say(project, "BDone", "o-1")
    try rig.run()
    #expect(try rig.instance("o-3").steps.map(\.phase) == [.succeeded, .waiting])
    #expect(try rig.store.saga(Array("o-1".utf8))?.status == "completed")
    #expect(try rig.store.saga(Array("o-2".utf8))?.scriptVersion == old)
    #expect(try rig.store.sources(ofVersion: old).map(\.path) == ["handlers/line.lua"])
    rig = try SagaRig(project, "line")
    try say(project, "BFailed", "o-2")
    try rig.run()
    #expect(try rig.store.saga(Array("o-2".utf8))?.status == "compensated")
    #expect(try rig.store.sources(ofVersion: old).isEmpty)
    #expect(try rig.commands.filter { $0 == "UndoA" }.count == 1)
    #expect(rig.status.dead == 0)
  }

  @Test func `an instance that fits goes on by the script of today, also beside pinned ones`() throws {
    let project = try project(["o-1"], steps: ["A", "B", "C"])
    try say(project, "Started", "o-2")
    try SagaRig(project, "line").run()
    let rig = try edited(project, Self.saga(["A", "C", "B"], more: "pin = true,"))
    for order in ["o-1", "o-2"] {
      for type in ["ADone", "BDone", "CDone"] { try say(project, type, order) }
    }
    try rig.run()
    #expect(try rig.commands == ["A", "B", "A", "C", "Done", "C", "Done"])
  }

  @Test func `a timer that is set and has no function any more is refused, and let go by migrate`() throws {
    func script(_ timers: String) -> String {
      """
      saga "line" {
        starts_on = "Started", from = "start", clock = "event",
        on = { Started = function(state, event, ctx) ctx.timer("ring", "30d") end },
        timers = { \(timers) }, migrate = nil
      }
      """
    }
    let project = try TestProject(Self.files(script("ring = function(state, ctx) ctx.complete() end")))
    try say(project, "Started", "o-1")
    try SagaRig(project, "line").run()
    project.edit(Self.files(script("")))
    let refused = #expect(throws: Diagnostic.self) { try SagaRig(project, "line") }
    #expect(refused?.code == "E0350")
    #expect(refused?.details.contains { $0.text.contains("the timer \"ring\"") } == true)
    let letting = script("").replacing("migrate = nil", with: "migrate = function() end")
    let rig = try edited(project, letting)
    #expect(try rig.instance("o-1").timers.isEmpty)
    #expect(try rig.instance("o-1").status == .running)
  }
}

import MoontideCore
import Testing

@testable import MoontideRuntime

/// Effects of sagas: recorded with their instance, their results brought back to it.
struct SagaEffectTests {
  private static let saga = """
    saga "parcel" {
      starts_on = "Packed", from = "start", clock = "event", retry = { attempts = 1 },
      correlate = function(event) return event.data.order end,
      initial = function(event) return { order = event.data.order, seen = {} } end,
      on = {
        Packed = function(state, event, ctx)
          ctx.effect("log", { file = "out.log", text = "book " .. state.order, about = "book" })
          ctx.effect("log", { file = "out.log", text = "tell " .. state.order, about = "tell" })
          ctx.timer("remind", "1h")
        end,
        Closed = function(state, event, ctx) ctx.complete() end,
      },
      on_result = function(state, result, ctx)
        state.seen[#state.seen + 1] = result.data.about .. "=" .. tostring(result.data.ok)
        if result.data.about == "book" then ctx.emit(events.Booked { order = state.order }) end
      end,
      timers = { remind = function(state, ctx)
        ctx.effect("log", { file = "out.log", text = "remind " .. state.order, about = "remind" })
      end },
    }
    """

  private func project() throws -> TestProject { try TestProject(["handlers/parcel.lua": Self.saga]) }

  private func say(
    _ project: TestProject, _ type: String, _ order: String, time: String = "2026-03-01T09:00:00Z"
  ) throws {
    try project.publish(type, key: "k-\(order)", data: #"{"order":"\#(order)"}"#, time: time)
  }

  @Test func `results come back to the instance that asked, and what failed says so`() throws {
    let project = try project()
    let performer = ScriptedPerformer { job, _ in
      let isRefused = String(decoding: job.request.shown, as: UTF8.self).contains("tell o-2")
      return isRefused ? EffectOutcome(.refused, error: "no such mail box") : EffectOutcome(.done)
    }
    for order in ["o-1", "o-2"] { try say(project, "Packed", order) }
    let rig = try SagaRig(project, "parcel", performer: performer)
    try rig.run()
    #expect(performer.jobs.count == 4)
    #expect(try rig.state("o-1") == #"{"order":"o-1","seen":["book=true","tell=true"]}"#)
    #expect(try rig.state("o-2") == #"{"order":"o-2","seen":["book=true","tell=false"]}"#)
    #expect(try rig.records(.event).filter { $0.type == "Booked" }.count == 2)
    #expect(try rig.records(.result).map(\.key).sorted() == ["o-1", "o-1", "o-2", "o-2"])
  }

  @Test func `an effect of a timer has one key, and a saga that begins anew causes none again`() throws {
    let project = try project()
    let performer = ScriptedPerformer()
    try say(project, "Packed", "o-1")
    var rig = try SagaRig(project, "parcel", performer: performer)
    try rig.run()
    try rig.advance(to: "2026-03-01T10:00:00Z")
    try rig.run()
    let keys = performer.jobs.map(\.key)
    #expect(Set(keys).count == 3)
    #expect(try rig.state("o-1") == #"{"order":"o-1","seen":["book=true","tell=true","remind=true"]}"#)
    for ending in ["", "-wal", "-shm"] {
      try project.files.remove(project.scratch.file("parcel.sqlite" + ending))
    }
    rig = try SagaRig(project, "parcel", performer: performer)
    try rig.run()
    #expect(performer.jobs.map(\.key) == keys)
    #expect(try rig.store.effectEnd() == 3)
    #expect(try rig.state("o-1") == #"{"order":"o-1","seen":["book=true","tell=true","remind=true"]}"#)
  }

  @Test func `a result that comes behind the end of its instance is noted as late`() throws {
    let project = try project()
    let performer = ScriptedPerformer { _, _ in nil }
    try say(project, "Packed", "o-1")
    let rig = try SagaRig(project, "parcel", performer: performer)
    try rig.run()
    #expect(performer.jobs.count == 1)
    try say(project, "Closed", "o-1")
    try rig.run()
    #expect(try rig.instance("o-1").status == .completed)
    for _ in 0..<2 {
      performer.release(EffectOutcome(.done))
      try rig.run()
    }
    let instance = try rig.instance("o-1")
    #expect(instance.notes.map(\.kind) == [.late, .late])
    #expect(instance.notes.first?.text == "the result of an effect (log)")
    #expect(try rig.state("o-1") == #"{"order":"o-1","seen":{}}"#)
  }

  @Test func `effects that results cause without end are stopped by the depth of causation`() throws {
    let project = try TestProject([
      "handlers/p.lua": """
      local function again(state, event, ctx) ctx.effect("log", { file = "out.log", text = "again" }) end
      saga "p" { starts_on = "A", from = "start", retry = { attempts = 1 },
        on = { A = again }, on_result = again }
      """
    ])
    try project.publish("A", key: "k", time: "2026-03-01T09:00:00Z")
    let performer = ScriptedPerformer()
    let rig = try SagaRig(project, "p", performer: performer)
    try rig.run()
    #expect(performer.jobs.count == Limits.causationDepthDefault)
    #expect(rig.status.dead == 1)
  }
}

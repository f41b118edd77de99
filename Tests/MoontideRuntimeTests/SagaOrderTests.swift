import MoontideCore
import Testing

@testable import MoontideRuntime

/// Which instance an event reaches, and in which order an instance meets what it is told.
struct SagaOrderTests {
  private static let reminder = """
    saga "reminder" {
      starts_on = "OfferSent", from = "start", clock = "event", retry = { attempts = 2, backoff = "1s" },
      correlate = function(event) return event.key end,
      initial = function() return { seen = "" } end,
      on = {
        OfferSent = function(state, event, ctx)
          ctx.timer("remind", "30d")
          ctx.timer("ring", "31d")
        end,
        OfferReturned = function(state, event, ctx)
          state.seen = state.seen .. " returned"
          ctx.complete()
          ctx.timer("ring", "1d")
        end,
      },
      timers = {
        remind = function(state, ctx)
          FAULT
          state.seen = state.seen .. " reminded"
          ctx.emit(events.ReminderDue {})
        end,
        ring = function(state, ctx) state.seen = state.seen .. " rung" end,
      },
    }
    """
  private static let mended = ["handlers/a.lua": reminder.changing("FAULT", to: "")]
  private static let broken = ["handlers/a.lua": reminder.changing("FAULT", to: "error(\"no mail today\")")]

  @Test func `an event that begins an instance is not taken for one of another that has the same cause`()
    throws
  {
    let project = try TestProject([
      "handlers/a.lua": """
      saga "order" {
        starts_on = "OrderCreated", from = "start", clock = "event",
        on = { Done = function(state, event, ctx) ctx.complete() end },
      }
      """
    ])
    let meta = #"{"causationid":"upload-1","correlationid":"batch-1"}"#
    for key in ["a", "b"] { try project.publish("OrderCreated", key: key, meta: meta) }
    let rig = try SagaRig(project, "order")
    try rig.run()
    #expect(try rig.instance("a").notes == [])
    #expect(try rig.instance("b").status == .running)
  }

  @Test func `a start event without a correlation value is a fault, also where another has its cause`() throws
  {
    let project = try TestProject([
      "handlers/a.lua": """
      saga "order" {
        starts_on = "OrderCreated", from = "start", clock = "event", retry = { attempts = 1 },
        correlate = function(event) return event.data.order end,
        on = { Done = function(state, event, ctx) ctx.complete() end },
      }
      """
    ])
    let meta = #"{"causationid":"upload-1","correlationid":"batch-1"}"#
    try project.publish("OrderCreated", key: "a", data: #"{"order":"o-1"}"#, meta: meta)
    let lost = try project.publish("OrderCreated", key: "b", meta: meta)
    let rig = try SagaRig(project, "order")
    try rig.run()
    #expect(try rig.store.deadLetters().map(\.position) == [lost])
  }

  @Test func `a start event that comes again is noted, unless a function takes it`() throws {
    let project = try TestProject([
      "handlers/a.lua": """
      saga "order" {
        starts_on = "OrderCreated", from = "start", clock = "event",
        correlate = function(event) return event.key end,
        on = { Done = function(state, event, ctx) ctx.complete() end },
      }
      """
    ])
    for _ in 0..<2 { try project.publish("OrderCreated", key: "a") }
    let rig = try SagaRig(project, "order")
    try rig.run()
    #expect(try rig.instance("a").notes.map(\.text) == ["OrderCreated"])
    try project.publish("Done", key: "a")
    try rig.run()
    #expect(try rig.instance("a").status == .completed)
    #expect(try rig.instance("a").notes.count == 1, "what completes it is not late")
  }

  @Test func `a timer whose function fails holds its instance up, and comes before what waits`() throws {
    let project = try TestProject(Self.broken)
    try project.publish("OfferSent", key: "a", time: "2012-01-01T00:00:00Z")
    try project.publish("OfferSent", key: "b", time: "2012-01-20T00:00:00Z")
    try project.publish("OfferReturned", key: "a", time: "2012-02-05T00:00:00Z")
    try project.publish("OfferReturned", key: "b", time: "2012-02-05T00:00:00Z")
    var rig = try SagaRig(project, "reminder", batchRecords: 1)
    try rig.run()
    #expect(try rig.state("b") == #"{"seen":" returned"}"#, "others go on")
    #expect(try rig.instance("b").timers == [])
    #expect(try rig.instance("a").status == .running)
    #expect(try rig.state("a") == #"{"seen":""}"#)
    let letter = try #require(try rig.store.deadLetters().first)
    #expect(letter.eventType == "TimerFired" && letter.message.contains("no mail today"), "\(letter)")
    #expect(rig.status.dead == 1 && rig.status.parkedDead == 1 && rig.status.retrying == 0, "\(rig.status)")
    project.edit(Self.mended)
    try project.decide("reminder", Decision(.retry, [letter.position]))
    rig = try SagaRig(project, "reminder")
    try rig.run()
    #expect(try rig.state("a") == #"{"seen":" reminded rung returned"}"#)
    #expect(try rig.instance("a").status == .completed)
    #expect(rig.status.dead == 0 && rig.status.parkedDead == 0)
    let records = project.log.durableEnd
    let again = try SagaRig(try TestProject(Self.mended, over: project), "reminder")
    try again.run()
    #expect(try again.state("a") == #"{"seen":" reminded rung returned"}"#)
    #expect(project.log.durableEnd == records, "nothing is said anew")
  }

  @Test func `timers of a parked instance fire between what waits, where they were due`() throws {
    let script = Self.reminder.changing("FAULT", to: "").changing(
      "OfferReturned =",
      to:
        "OfferSeen = function(state, event) CHECK state.seen = state.seen .. \" seen\" end,\nOfferReturned =")
    let project = try TestProject(["handlers/a.lua": script.changing("CHECK", to: "error(\"blind\")")])
    try project.publish("OfferSent", key: "a", time: "2012-01-01T00:00:00Z")
    let first = try project.publish("OfferSeen", key: "a", time: "2012-01-02T00:00:00Z")
    try project.publish("OfferSent", key: "b", time: "2012-01-31T12:00:00Z")
    try project.publish("OfferReturned", key: "a", time: "2012-03-01T00:00:00Z")
    var rig = try SagaRig(project, "reminder", batchRecords: 1)
    try rig.run()
    #expect(try rig.state("a") == #"{"seen":""}"#)
    project.edit(["handlers/a.lua": script.changing("CHECK", to: "")])
    try project.decide("reminder", Decision(.retry, [first]))
    rig = try SagaRig(project, "reminder")
    try rig.run()
    #expect(try rig.state("a") == #"{"seen":" seen reminded rung returned"}"#)
  }

  @Test func `a firing that is skipped holds nothing up`() throws {
    let project = try TestProject(Self.broken)
    try project.publish("OfferSent", key: "a", time: "2012-01-01T00:00:00Z")
    try project.publish("OfferReturned", key: "a", time: "2012-02-05T00:00:00Z")
    var rig = try SagaRig(project, "reminder")
    try rig.run()
    let letter = try #require(try rig.store.deadLetters().first)
    try project.decide("reminder", Decision(.skip, [letter.position]))
    rig = try SagaRig(project, "reminder")
    try rig.run()
    #expect(try rig.state("a") == #"{"seen":" rung returned"}"#)
    #expect(rig.status.dead == 0 && rig.status.parkedDead == 0)
  }

  @Test func `what was parked without a correlation value waits behind its parked instance`() throws {
    let script = """
      saga "order" {
        starts_on = "Begun", from = "start", clock = "event", retry = { attempts = 1 },
        correlate = function(event)
          if event.data.odd then error("whose is it?") end
          return event.data.order
        end,
        initial = function() return { seen = "" } end,
        on = { Said = function(state, event)
          if event.data.word == "one" then BAD end
          state.seen = state.seen .. " " .. event.data.word
        end },
      }
      """
    let project = try TestProject(["handlers/a.lua": script.changing("BAD", to: "error(\"no\")")])
    func say(_ word: String, _ more: String = "") throws -> Position {
      try project.publish("Said", key: word, data: #"{"order":"o-1","word":"\#(word)"\#(more)}"#)
    }
    try project.publish("Begun", data: #"{"order":"o-1"}"#)
    let one = try say("one")
    _ = try say("two")
    let odd = try say("three", #","odd":true"#)
    _ = try say("four")
    // Of the same key as the one that failed, and of no concern.
    for _ in 0..<3 { try project.publish("Other", key: "three") }
    var rig = try SagaRig(project, "order")
    try rig.run()
    #expect(try rig.store.deadLetters().map(\.position) == [one, odd])
    #expect(rig.status.held == 2, "two and four")
    let right = Array(#"{"order":"o-1","word":"three"}"#.utf8)
    try project.decide("order", Decision(.correct, [odd], data: right))
    try rig.run()
    #expect(try rig.state("o-1") == #"{"seen":""}"#, "it waits behind the one that failed")
    project.edit(["handlers/a.lua": script.changing("BAD", to: "")])
    try project.decide("order", Decision(.retry, [one]))
    rig = try SagaRig(project, "order")
    try rig.run()
    #expect(try rig.state("o-1") == #"{"seen":" one two three four"}"#)
    #expect(rig.status.dead == 0)
  }

  @Test func `a saga's function returns no event: it is not taken for the state`() throws {
    let project = try TestProject([
      "handlers/a.lua": """
      saga "order" {
        starts_on = "Begun", from = "start", clock = "event", retry = { attempts = 1 },
        correlate = function(event) return event.key end,
        on = { Said = function(state, event) return events.Heard { word = "x" } end },
      }
      """
    ])
    try project.publish("Begun")
    try project.publish("Said")
    let rig = try SagaRig(project, "order")
    try rig.run()
    #expect(try rig.store.deadLetters().first?.message.contains("ctx.emit") == true)
    #expect(try rig.state("k") == "{}")
  }
}

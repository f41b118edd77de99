import MoontideCore
import Testing

@testable import MoontideRuntime

/// What a saga sends, refused in part, twice or without an end.
struct SagaRefusalTests {
  private static let deciders = """
    decider "money" {
      topic = "money", key = "order",
      decide = {
        Charge = function(command) return events.Charged { order = command.data.order } end,
        Refund = function(command) return reject("BUSY") end,
        Cancel = function(command) return {} end,
        Ping = function(command) return events.Pong { order = command.data.order } end,
      },
      evolve = { Charged = function(state) return state end },
    }
    """

  private func rig(_ saga: String) throws -> SagaRig {
    let project = try TestProject(["handlers/a.lua": Self.deciders + "\n" + saga])
    for order in ["o-1", "o-2"] {
      try project.publish(
        "Begun", key: order, data: #"{"order":"\#(order)"}"#, time: "2025-10-09T08:53:20Z")
    }
    return try SagaRig(project, "x")
  }

  @Test func `a command whose id was sent before is a fault that is seen, not an answer waited for in vain`()
    throws
  {
    let rig = try rig(
      """
      saga "x" {
        starts_on = "Begun", from = "start", clock = "event", retry = { attempts = 2, backoff = "1s" },
        correlate = function(event) return event.data.order end,
        initial = function(event) return { order = event.data.order } end,
        steps = {
          { name = "charge", send = function(s) return commands.Charge(s) end, succeeds_on = "Charged",
            compensate = function(s)
              return commands.Refund({ order = s.order }, { id = "refund-" .. s.order })
            end },
          { name = "ship", succeeds_on = "Shipped", fails_on = "Lost" } },
      }
      """)
    try rig.run()
    try rig.project.publish("Lost", key: "o-1", data: #"{"order":"o-1"}"#)
    try rig.run()
    let letters = try rig.store.deadLetters()
    #expect(letters.count == 1 && letters[0].message.contains("refund-o-1 was sent before"), "\(letters)")
    #expect(try rig.commands.filter { $0 == "Refund" }.count == 1)
  }

  @Test func `two instances cannot share the id of a command`() throws {
    let rig = try rig(
      """
      saga "x" {
        starts_on = "Begun", from = "start", clock = "event", retry = { attempts = 1 },
        correlate = function(event) return event.data.order end,
        initial = function(event) return { order = event.data.order } end,
        steps = { { name = "charge", send = function(s) return commands.Charge(s, { id = "same" }) end } },
      }
      """)
    try rig.run()
    #expect(try rig.instance("o-1").status == .completed)
    #expect(try rig.store.deadLetters().map { $0.key } == [Array("o-2".utf8)])
  }

  @Test func `a chain that goes on through the functions of events ends, beside steps too`() throws {
    let rig = try rig(
      """
      saga "x" {
        starts_on = "Begun", from = "start", clock = "event", retry = { attempts = 1 },
        correlate = function(event) return event.data.order end,
        initial = function(event) return { order = event.data.order } end,
        steps = { { name = "wait", send = function(s) return commands.Ping(s) end, succeeds_on = "Never" } },
        on = { Pong = function(state, event, ctx) ctx.send(commands.Ping(state)) end },
      }
      """)
    try rig.run()
    #expect(
      try rig.store.deadLetters().map(\.code)
        == Array(repeating: RuntimeCode.causationDepth.rawValue, count: 2))
    #expect(try rig.commands.count < 80)
  }

  @Test func `what a function gives up has the result of the event that it gives up for`() throws {
    let rig = try rig(
      """
      saga "x" {
        starts_on = "Begun", from = "start", clock = "event",
        correlate = function(event) return event.data.order end,
        initial = function(event) return { order = event.data.order } end,
        steps = {
          { name = "charge", send = function(s) return commands.Charge(s) end, succeeds_on = "Charged",
            compensate = function(s, result)
              return commands.Cancel { order = s.order, known = result ~= nil }
            end },
        },
        on = { Charged = function(state, event, ctx)
          if state.order == "o-1" then ctx.compensate("fraud") end
        end },
      }
      """)
    try rig.run()
    #expect(try rig.instance("o-1").status == .compensated)
    #expect(try rig.instance("o-2").status == .completed)
    let cancelled = try rig.records(.command).filter { $0.type == "Cancel" }.map(\.data)
    #expect(cancelled == [#"{"known":true,"order":"o-1"}"#])
  }

  @Test func `a step that an edit brings into a running stage is begun, and the stage waits for it`() throws {
    let script = """
      saga "x" {
        starts_on = "Begun", from = "start", clock = "event",
        correlate = function(event) return event.data.order end,
        steps = { { parallel = {
          { name = "a", succeeds_on = "ADone" }, { name = "b", succeeds_on = "BDone" },
        } } },
      }
      """
    var rig = try rig(script)
    try rig.run()
    let project = rig.project
    let edited = script.changing(
      "\"BDone\" },", to: "\"BDone\" }, { name = \"c\", succeeds_on = \"CDone\" },")
    project.edit(["handlers/a.lua": Self.deciders + "\n" + edited])
    rig = try SagaRig(project, "x")
    for type in ["ADone", "BDone"] { try project.publish(type, data: #"{"order":"o-1"}"#) }
    try rig.run()
    #expect(try rig.instance("o-1").steps.map(\.phase) == [.succeeded, .succeeded, .waiting])
    try project.publish("CDone", data: #"{"order":"o-1"}"#)
    try rig.run()
    #expect(try rig.instance("o-1").status == .completed)
  }
}

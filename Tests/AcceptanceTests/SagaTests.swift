import BorrowedFixtures
import Foundation
import Testing

/// Sagas through the binary: what the example's README says, and reminders over real offers.
@Suite(.serialized) struct SagaTests {

  private func texts(_ project: TestProject, _ sql: String) throws -> [String] {
    try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
  }

  @Test func `the checkout of the examples ends as its README says`() throws {
    let project = try CheckoutOrders.project(commands: true)
    try FileManager.default.removeItem(at: project.folder.appending(path: "handlers/carrier.lua"))
    try project.runOnce()
    #expect(
      try texts(project, "select order_id, status, reason from orders order by 1") == [
        "o-1|confirmed|", "o-2|confirmed|", "o-3|cancelled|reserve inventory: OUT_OF_STOCK",
        "o-4|cancelled|charge payment: PaymentFailed", "o-5|cancelled|send parcel: NO_ADDRESS",
        "o-6|pending|",
      ])
    let shown = try Binary.succeed(["saga", "show", project.path, "o-6"])
    #expect(shown.contains("▸ charge payment"), "\(shown)")
    #expect(shown.contains("timer step charge payment: due 2026-03-01T10:01:06Z"), "\(shown)")
    #expect(try Binary.succeed(["saga", "graph", project.path]).hasPrefix("flowchart TD\n"))
    try project.runOnce(["--until", "2026-03-01T11:00:00Z"])
    #expect(
      try texts(project, "select status, reason from sys.sagas where key = 'o-6'") == [
        "compensated|charge payment: timeout"
      ])
    let late = #"{"card":"slow-6","order_id":"o-6"}"#
    try Binary.succeed(["-C", project.path, "send", "CompletePayment", "-d", late])
    #expect(try texts(project, "select count(*) from cards where card = 'slow-6'") == ["0"])
    try project.runOnce()
    #expect(try texts(project, "select paid_cents from cards where card = 'slow-6'") == ["0"])
    #expect(try texts(project, "select free from stock where sku = 'lamp'") == ["2"])
    #expect(try texts(project, "select count(*) from sys.timers") == ["0"])
  }

  @Test func `what is stuck is told of at the end of a run and by doctor, until it is retried`() throws {
    let project = try TestProject()
    func write(locked: Bool) throws {
      let answer = locked ? #"reject("LOCKED", "the shelf is locked")"# : "events.Released { n = 1 }"
      try project.write(
        """
        decider "stock" { topic = "stock", key = "sku",
          decide = {
            Reserve = function(command) return events.Reserved { order = command.data.order } end,
            Release = function(command) return \(answer) end,
            Charge = function(command) return reject("NO_MONEY", "no") end,
          }, evolve = { Reserved = function(state) return state end } }
        saga "buy" { starts_on = "OrderPlaced", from = "start", retry = { attempts = 2, backoff = "1ms" },
          correlate = function(event) return event.data.order end,
          initial = function(event) return { order = event.data.order } end,
          steps = {
            { name = "reserve", succeeds_on = "Reserved",
              send = function(s) return commands.Reserve { sku = "x", order = s.order } end,
              compensate = function(s) return commands.Release { sku = "x", order = s.order } end },
            { name = "charge", send = function(s) return commands.Charge { sku = "x", order = s.order } end },
          } }
        """, to: "handlers/a.lua")
    }
    try write(locked: true)
    try project.write(#"{"id":"e","type":"OrderPlaced","data":{"order":"o-1"}}"# + "\n", to: "events/a.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.status == 0 && run.errors.contains("warning: 1 instance of sagas stuck"), "\(run.errors)")
    let doctor = try Binary.run(["doctor", project.path])
    #expect(doctor.output.contains("1 instance stuck: refused too often"), "\(doctor.output)")
    try write(locked: false)
    try Binary.succeed(["saga", "retry", project.path, "o-1"])
    let again = try Binary.run(["run", project.path, "--once"])
    #expect(again.status == 0 && !again.errors.contains("stuck"), "\(again.errors)")
    #expect(try texts(project, "select status from sys.sagas") == ["compensated"])
  }

  private static let reminder = """
    saga "reminder" {
      starts_on = "OfferSent", from = "start", clock = "event",
      correlate = function(event) return event.key end,
      on = {
        OfferSent = function(state, event, ctx) ctx.timer("remind", "30d") end,
        OfferSentBack = function(state, event, ctx) ctx.timer("remind") end,
      },
      timers = { remind = function(state, ctx) ctx.emit(events.ReminderDue {}) end },
    }
    """

  @Test(.needsBorrowedFixtures)
  func `reminders over half a year of offers, within the log and after time has moved on`() throws {
    let project = try TestProject()
    try project.write(Self.reminder, to: "handlers/reminder.lua")
    try project.write(try Gzip.text(try BorrowedFixtures.events("loans")), to: "events/loans.jsonl")
    try project.runOnce()
    let count = "select count(*) from sys.events where type = 'ReminderDue'"
    #expect(try texts(project, count) == ["1587"])
    try project.runOnce(["--until", "2012-05-01"])
    #expect(try texts(project, count) == ["1944"])
    try project.runOnce(["--until", "2012-05-01"])
    #expect(try texts(project, count) == ["1944"])
  }
}

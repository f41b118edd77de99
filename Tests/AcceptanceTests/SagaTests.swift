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

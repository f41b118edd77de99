import BorrowedFixtures
import Foundation
import Testing

/// Sagas through the binary: the checkout of the examples, and reminders over real offers. `MOONTIDE_ORDERS`
/// sets how many orders, `MOONTIDE_KILLS` how many kills.
@Suite(.serialized) struct SagaTests {
  private static let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "../../examples/05-checkout").standardizedFileURL

  private static func number(_ name: String, _ usual: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual
  }

  /// The example's handlers; its commands when they are wanted.
  private func project(commands: Bool) throws -> TestProject {
    let project = try TestProject()
    for part in commands ? ["handlers", "commands"] : ["handlers"] {
      let folder = Self.example.appending(path: part)
      for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
        try project.write(
          try String(contentsOf: file, encoding: .utf8), to: "\(part)/\(file.lastPathComponent)")
      }
    }
    return project
  }

  private func texts(_ project: TestProject, _ sql: String) throws -> [String] {
    try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
  }

  @Test func `the checkout of the examples ends as its README says`() throws {
    let project = try project(commands: true)
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

  /// A third fails at each step, some are answered late.
  private func commands(_ orders: Int) -> String {
    var lines = [
      #"{"id":"s","type":"AddStock","time":"2026-03-01T08:00:00Z","data":{"sku":"lamp","quantity":100000}}"#
    ]
    for order in 0..<orders {
      let sku = order % 6 == 1 ? "nothing" : "lamp"
      let card = order % 6 == 3 ? "slow-\(order)" : "v-\(order)"
      let total = order % 6 == 2 ? 20_000 : 2_500
      let address = order % 6 == 4 ? "" : #","address":"Elm Street \#(order)""#
      lines.append(
        #"{"id":"c-\#(order)","type":"CreateOrder","time":"2026-03-01T09:00:00Z","#
          + #""data":{"order_id":"o-\#(order)","sku":"\#(sku)","quantity":1,"#
          + #""total_cents":\#(total),"card":"\#(card)"\#(address)}}"#)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// Everything that a customer and a bookkeeper can see.
  private func books(_ project: TestProject) throws -> [String] {
    try texts(project, "select order_id, status, reason from orders order by 1")
      + texts(project, "select sku, free from stock order by 1")
      + texts(project, "select card, paid_cents from cards order by 1")
      + texts(project, "select key, status, reason from sys.sagas order by 1")
  }

  private func settle(_ project: TestProject, orders: Int) throws {
    try project.runOnce()
    try project.runOnce(["--until", "2026-03-01T12:00:00Z"])
    var late = ""
    for order in 0..<orders where order % 6 == 3 && order % 4 != 1 {
      late +=
        #"{"id":"l-\#(order)","type":"CompletePayment","time":"2026-03-01T12:00:00Z","#
        + #""data":{"card":"slow-\#(order)","order_id":"o-\#(order)"}}"# + "\n"
    }
    try project.write(late, to: "commands/2-late.jsonl")
    try project.runOnce()
  }

  @Test func `every order ends confirmed or with everything given back, also through kills`() throws {
    let orders = Self.number("MOONTIDE_ORDERS", 120)
    let kills = Self.number("MOONTIDE_KILLS", 8)
    let calm = try project(commands: false)
    try calm.write(commands(orders), to: "commands/1.jsonl")
    let began = ContinuousClock.now
    try settle(calm, orders: orders)
    let whole = ContinuousClock.now - began
    let expected = try books(calm)
    #expect(try texts(calm, "select status, count(*) from orders group by 1 order by 1").count == 2)
    let stands = try texts(calm, "select count(*) from orders where status = 'confirmed'")
    #expect(try texts(calm, "select 100000 - free from stock where sku = 'lamp'") == stands)
    #expect(
      try texts(calm, "select coalesce(sum(paid_cents), 0) from cards")
        == texts(calm, "select coalesce(sum(total_cents), 0) from orders where status = 'confirmed'"))
    #expect(
      try texts(calm, "select count(*) from sys.sagas where status not in ('completed','compensated')") == [
        "0"
      ])

    let shaken = try project(commands: false)
    try shaken.write(commands(orders), to: "commands/1.jsonl")
    let seed = UInt64(Self.number("MOONTIDE_SEED", Int(UInt32.random(in: 0...UInt32.max))))
    print("saga kills: MOONTIDE_SEED=\(seed)")
    for kill in 0..<kills {
      let share =
        Double((seed &* 6_364_136_223_846_793_005 &+ UInt64(kill) &* 1_442_695_040_888_963_407) >> 40)
        / Double(1 << 24)
      _ = try Binary.run(
        ["run", shaken.path, "--once", "-q"], deadline: whole * (0.02 + 0.4 * share))
    }
    try settle(shaken, orders: orders)
    #expect(try books(shaken) == expected, "MOONTIDE_SEED=\(seed)")
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

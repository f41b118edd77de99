import Foundation
import Testing

/// What `impact` draws: the example's checkout, exactly; and events that handlers failed on.
@Suite(.serialized) struct ImpactTests {
  /// Positions fall otherwise when threads meet otherwise.
  private func masked(_ text: String) -> [String] {
    text.replacing(/#\d+/, with: "#").split(separator: "\n").map(String.init)
  }

  private func place(_ project: TestProject, _ type: String, _ key: String) throws -> String {
    let rows = try project.query(
      "select position from sys.events where type = '\(type)' and key = '\(key)'")
    return try #require(rows.first?.first).description
  }

  @Test func `the whole of a checkout stands under the event that began it`() throws {
    let project = try CheckoutOrders.project(commands: true)
    let carrier = try Carrier()
    func run(_ more: [String] = []) throws {
      let outcome = try Binary.run(
        ["run", project.path, "--once", "-q"] + more, environment: carrier.environment)
      guard outcome.status == 0 else { throw Fault(outcome.errors) }
    }
    try run()
    let undone = try Binary.succeed(
      ["impact", "-C", project.path, try place(project, "OrderCreated", "o-5")])
    #expect(masked(undone) == Self.undone)
    let sent = try Binary.succeed(["impact", "-C", project.path, try place(project, "ParcelSent", "o-1")])
    #expect(masked(sent) == Self.sent)
    let waiting = try Binary.succeed(
      ["impact", "-C", project.path, try place(project, "InventoryReserved", "lamp"), "--width", "1"])
    #expect(waiting.contains("└─ … 2 more (--width)"))

    let before = try files(project)
    try run(["--until", "2026-03-01T11:00:00Z"])
    let late = try Binary.succeed(["impact", "-C", project.path, try place(project, "OrderCreated", "o-6")])
    #expect(masked(late) == Self.late)
    // A firing stands behind what it made.
    let firing = try #require(late.firstMatch(of: /#(\d+) timer/)?.1)
    let fired = try Binary.succeed(["impact", "-C", project.path, String(firing)])
    #expect(masked(fired).contains("└─ # command CancelCharge slow-6, saga checkout, accepted"))
    #expect(try files(project).filter { $0.hasPrefix(".moontide/trace/work") }.isEmpty)
    #expect(!before.isEmpty)

    let rows = try Binary.succeed(
      ["impact", "-C", project.path, try place(project, "OrderCreated", "o-5"), "--json"])
    let nodes = try #require(
      try JSONSerialization.jsonObject(with: Data(rows.utf8)) as? [[String: Any]])
    #expect(nodes.count == Self.undone.count)
    for node in nodes.dropFirst() {
      let parent = try #require(node["parent"] as? Int)
      #expect(nodes[parent - 1]["depth"] as? Int == (node["depth"] as? Int ?? 0) - 1)
    }
  }

  private func files(_ project: TestProject) throws -> [String] {
    try FileManager.default.subpathsOfDirectory(atPath: project.path)
  }

  static let undone = """
    # OrderCreated o-5, decider order, 2026-03-01T09:01:05Z
    ├─ row books.orders o-5, insert: order_id → 'o-5', status → 'pending', total_cents → 4500  (handlers/books.lua:11)
    ├─ saga checkout o-5, began: it is compensated (send parcel: NO_ADDRESS) now
    └─ # command ReserveInventory chair, saga checkout, accepted
       └─ # InventoryReserved chair, decider inventory
          ├─ row books.stock chair, update: free 1 → 0  (handlers/books.lua:21)
          ├─ saga checkout o-5, step done: reserve inventory
          └─ # command ChargePayment v-5, saga checkout, accepted
             └─ # PaymentCompleted v-5, decider payment
                ├─ row books.cards v-5, insert: card → 'v-5', paid_cents → 4500  (handlers/books.lua:23)
                ├─ saga checkout o-5, step done: charge payment
                └─ # command SendParcel o-5, saga checkout, rejected: NO_ADDRESS: nobody knows where to send it
                   └─ # command RefundPayment v-5, saga checkout, accepted
                      ├─ # PaymentRefunded v-5, decider payment
                      │  └─ row books.cards v-5, update: paid_cents 4500 → 0  (handlers/books.lua:24)
                      └─ # command ReleaseInventory chair, saga checkout, accepted
                         ├─ # InventoryReleased chair, decider inventory
                         │  └─ row books.stock chair, update: free 0 → 1  (handlers/books.lua:22)
                         └─ # command CancelOrder o-5, saga checkout, accepted
                            ├─ saga checkout o-5, compensated: send parcel: NO_ADDRESS
                            └─ # OrderCancelled o-5, decider order
                               └─ row books.orders o-5, update: status 'pending' → 'cancelled', \
    reason NULL → 'send parcel: NO_ADDRESS'  (handlers/books.lua:15)
    """.split(separator: "\n").map(String.init)

  static let sent = """
    # ParcelSent o-1, decider shipping, 2026-03-01T09:01:01Z
    └─ # effect http ${CARRIER_URL}, consumer carrier, done
       └─ # ParcelNumbered o-1, consumer carrier
          └─ row books.orders o-1, update: parcel NULL → 'parcel-o-1'  (handlers/books.lua:17)
    """.split(separator: "\n").map(String.init)

  static let late = """
    # OrderCreated o-6, decider order, 2026-03-01T09:01:06Z
    ├─ row books.orders o-6, insert: order_id → 'o-6', status → 'pending', total_cents → 2500  (handlers/books.lua:11)
    ├─ saga checkout o-6, began: it is compensated (charge payment: timeout) now
    └─ # command ReserveInventory lamp, saga checkout, accepted
       └─ # InventoryReserved lamp, decider inventory
          ├─ row books.stock lamp, update: free 1 → 0  (handlers/books.lua:21)
          ├─ saga checkout o-6, step done: reserve inventory
          ├─ # command ChargePayment slow-6, saga checkout, accepted
          │  └─ # PaymentRequested slow-6, decider payment
          └─ # timer step charge payment o-6, saga checkout, fired: due 2026-03-01T10:01:06Z
             └─ # command CancelCharge slow-6, saga checkout, accepted
                ├─ # ChargeCancelled slow-6, decider payment
                └─ # command ReleaseInventory lamp, saga checkout, accepted
                   ├─ # InventoryReleased lamp, decider inventory
                   │  └─ row books.stock lamp, update: free 1 → 2  (handlers/books.lua:22)
                   └─ # command CancelOrder o-6, saga checkout, accepted
                      ├─ saga checkout o-6, compensated: charge payment: timeout
                      └─ # OrderCancelled o-6, decider order
                         └─ row books.orders o-6, update: status 'pending' → 'cancelled', \
    reason NULL → 'charge payment: timeout'  (handlers/books.lua:15)
    """.split(separator: "\n").map(String.init)

  @Test func `events of one id in two topics do not share what they caused`() throws {
    let project = try TestProject()
    try project.write(#"{"id":"1","type":"Ordered","key":"k","data":{}}"# + "\n", to: "events/a/a.jsonl")
    try project.write(#"{"id":"1","type":"Paid","key":"k","data":{}}"# + "\n", to: "events/b/b.jsonl")
    try project.write(
      """
      consumer "echo" { from = "start", on = {
        Ordered = function(event, ctx) ctx.emit { type = "OrderEchoed", key = "k", data = {} } end,
        Paid = function(event, ctx) ctx.emit { type = "PaidEchoed", key = "k", data = {} } end,
      } }
      """, to: "handlers/echo.lua")
    try project.runOnce()
    for (type, other) in [("Ordered", "OrderEchoed"), ("Paid", "PaidEchoed")] {
      let tree = try Binary.succeed(["impact", "-C", project.path, try place(project, type, "k")])
      #expect(masked(tree).dropFirst() == ["└─ # \(other) k, consumer echo"])
    }
  }

  @Test func `a dead letter, what waits behind it and what a person decided are told`() throws {
    let project = try TestProject()
    try project.write(
      (1...3).map { #"{"id":"e-\#($0)","type":"Placed","key":"k","data":{"n":\#($0)}}"# }
        .joined(separator: "\n") + "\n", to: "events/e.jsonl")
    try project.write(
      """
      consumer "mail" { from = "start", retry = { attempts = 1 }, on = {
        Placed = function(event, ctx) if event.data.n < 3 then error("no address") end end,
      } }
      projection "seen" {
        schema = [[ create table seen(id text primary key, n integer); ]],
        on = { Placed = function(event, db)
          if event.data.n == 2 then error("two is bad") end
          db.seen:put { id = event.id, n = event.data.n }
        end },
      }
      """, to: "handlers/mail.lua")
    try project.runOnce()
    func impact(_ position: Int) throws -> String {
      try Binary.succeed(["impact", "-C", project.path, "\(position)"])
    }
    let first = try impact(0)
    #expect(first.contains("row seen.seen e-1, insert: id → 'e-1', n → 1  (handlers/mail.lua:8)"))
    #expect(first.contains("dead letter d-0@mail, consumer mail: "))
    let second = try impact(1)
    #expect(second.contains("held for consumer mail: it waits behind #0, which failed"))
    #expect(second.contains("dead letter d-1@seen, projection seen: E"))
    #expect(!second.contains("row "))
    try Binary.succeed(["dead", "skip", "-C", project.path, "d-0@mail", "--reason", "nobody there"])
    try project.runOnce()
    #expect(try impact(0).contains("DeadLettersSkipped mail: nobody there"))
  }
}

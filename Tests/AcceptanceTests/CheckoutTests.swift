import Foundation
import Testing

/// The checkout of the examples with many orders, through kills. `MOONTIDE_ORDERS` sets how many orders,
/// `MOONTIDE_KILLS` how many kills.
@Suite(.serialized) struct CheckoutTests {
  private static func number(_ name: String, _ usual: Int) -> Int {
    ProcessInfo.processInfo.environment[name].flatMap(Int.init) ?? usual
  }

  private func texts(_ project: TestProject, _ sql: String) throws -> [String] {
    try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
  }

  /// One project, its carrier, and what comes in: each part once all before it has come to rest.
  private struct Shop {
    let project: TestProject
    let carrier: Carrier
    let orders: CheckoutOrders

    init(_ orders: CheckoutOrders) throws {
      self.orders = orders
      project = try CheckoutOrders.project(commands: false)
      carrier = try Carrier()
    }

    func open(kills: Int, _ random: inout SystemRandomNumberGenerator, pace: Duration) throws {
      let parts: [(commands: String?, options: [String])] = [
        (orders.created, []), (orders.answersInTime, []), (nil, ["--until", "2026-03-01T11:00:00Z"]),
        (orders.lateAnswers, []),
      ]
      for (number, part) in parts.enumerated() {
        if let commands = part.commands { try project.write(commands, to: "commands/\(number).jsonl") }
        let arguments = ["run", project.path, "--once", "-q"] + part.options
        // Most of the work is in the first part, and so are most of the kills.
        for _ in 0..<(number == 0 ? kills - kills / 8 * 3 : kills / 8) {
          let process = try Binary.start(arguments, environment: carrier.environment)
          let share = Double.random(in: 0.02..<2, using: &random)
          usleep(UInt32(share * (pace / .microseconds(1))))
          kill(process.processIdentifier, SIGKILL)
          process.waitUntilExit()
        }
        let outcome = try Binary.run(arguments, environment: carrier.environment)
        guard outcome.status == 0 else { throw Fault("\(arguments): \(outcome.errors)") }
      }
    }
  }

  @Test func `every order ends confirmed or with everything given back, also through kills`() throws {
    let orders = CheckoutOrders(Self.number("MOONTIDE_ORDERS", 150))
    let kills = Self.number("MOONTIDE_KILLS", 12)
    var random = SystemRandomNumberGenerator()
    let calm = try Shop(orders)
    let began = ContinuousClock.now
    try calm.open(kills: 0, &random, pace: .zero)
    let whole = ContinuousClock.now - began
    try judge(calm)
    let shaken = try Shop(orders)
    try shaken.open(kills: kills, &random, pace: whole / max(1, kills))
    try judge(shaken)
    print("checkout: \(orders.orders.count) orders in \(whole), again with \(kills) kills")
  }

  private func judge(_ shop: Shop) throws {
    let (project, orders) = (shop.project, shop.orders.orders)
    let stands = orders.filter { $0.fate == .confirmed }
    #expect(
      try texts(project, "select order_id, status, reason, parcel from orders").sorted()
        == orders.map(\.books).sorted())
    #expect(
      try texts(project, "select key, status from sys.sagas").sorted()
        == orders.map { "\($0.name)|\($0.fate == .confirmed ? "completed" : "compensated")" }.sorted())
    // What there is belongs to those whose order stands, to the last unit and cent.
    var stock = Dictionary(
      uniqueKeysWithValues: (0..<CheckoutOrders.skus).map { ("sku-\($0)", CheckoutOrders.stock) })
    for order in stands { stock[order.sku]? -= order.quantity }
    #expect(
      try texts(project, "select sku, free from stock").sorted() == stock.map { "\($0)|\($1)" }.sorted())
    #expect(
      try texts(project, "select card, paid_cents from cards where paid_cents <> 0").sorted()
        == stands.map { "\($0.card)|\($0.cents)" }.sorted())
    try judgeLog(project, orders)
    try judgeRequests(shop, stands)
    let left = try texts(
      project,
      "select (select count(*) from sys.timers), (select count(*) from sys.effects where state <> 'done'), "
        + "(select count(*) from sys.dead_letters)")
    #expect(left == ["0|0|0"])
  }

  /// By the log alone: each thing happened once. A timer that fired twice would cancel a charge twice.
  private func judgeLog(_ project: TestProject, _ orders: [CheckoutOrders.Order]) throws {
    let counts: [(type: String, fates: Set<CheckoutOrders.Fate>)] = [
      ("OrderCreated", [.outOfStock, .cardRefused, .noAddress, .answeredLate, .neverAnswered, .confirmed]),
      ("InventoryReserved", [.cardRefused, .noAddress, .answeredLate, .neverAnswered, .confirmed]),
      ("InventoryReleased", [.cardRefused, .noAddress, .answeredLate, .neverAnswered]),
      ("PaymentCompleted", [.noAddress, .answeredLate, .confirmed]),
      ("PaymentRefunded", [.noAddress, .answeredLate]),
      ("ChargeCancelled", [.answeredLate, .neverAnswered]),
      ("ParcelSent", [.confirmed]), ("ParcelNumbered", [.confirmed]),
      ("OrderConfirmed", [.confirmed]),
      ("OrderCancelled", [.outOfStock, .cardRefused, .noAddress, .answeredLate, .neverAnswered]),
    ]
    for (type, fates) in counts {
      let found = try texts(
        project, "select json_extract(data, '$.order_id') from sys.events where type = '\(type)'")
      #expect(
        found.sorted() == orders.filter { fates.contains($0.fate) }.map(\.name).sorted(), "\(type)")
    }
  }

  /// By what the carrier was asked: about each parcel at least once, and always under one key.
  private func judgeRequests(_ shop: Shop, _ stands: [CheckoutOrders.Order]) throws {
    let requests = try shop.carrier.requests()
    let taken = Set(requests.filter { $0.status.hasPrefix("201") }.map(\.order))
    #expect(taken == Set(stands.map(\.name)))
    #expect(Set(requests.map(\.order)) == taken)
    let keys = Dictionary(grouping: requests, by: \.order).mapValues { Set($0.map(\.key)) }
    #expect(keys.values.allSatisfy { $0.count == 1 })
    #expect(Set(keys.values.flatMap(\.self)).count == keys.count)
  }
}

import MoontideCore
import MoontideSQLite

/// Judges the saga `checkout` from the log alone: what it sent for each order, in which order it undid what
/// was done, and that goods and money add up: I8, I9. Keeps what it has read.
final class OrderOracle {
  private struct Sent {
    var position: UInt64
    var id: String
  }

  /// What an order came to.
  private struct Order {
    var data: String
    var sku: String { MemberText(data).texts("sku").first ?? "" }
    /// Commands of the saga by type, in the order of the log.
    var sent: [String: [Sent]] = [:]
    /// Events by type: their positions.
    var events: [String: [UInt64]] = [:]
    var goods = 0
    var cents = 0
    var gifts = 0

    func number(_ name: String) -> Int { MemberText(data).number(name) ?? 0 }
    func has(_ flag: String) -> Bool { data.contains("\"\(flag)\":true") }
    func happened(_ type: String) -> Bool { events[type] != nil }
  }

  private static let forward = ["ReserveStock", "Charge", "WrapGift", "ShipParcel"]
  /// Undoing, from the last step to the first, and what follows when all is undone.
  private static let backward = [
    ["UnwrapGift"], ["CancelCharge", "Refund"], ["ReleaseStock"], ["CancelOrder"],
  ]
  /// What may be undone once more, since it came to be after the first time.
  private static let success = [
    "UnwrapGift": "GiftWrapped", "Refund": "PaymentCompleted", "ReleaseStock": "StockReserved",
  ]

  private var orders: [String: Order] = [:]
  private var shelves: [String: Int] = [:]
  /// By source and id: where it lies and whether it was accepted.
  private var outcomes: [String: (position: UInt64, isAccepted: Bool)] = [:]
  private var undecided: Set<String> = []
  private var commands: Set<String> = []
  private var firings: [String: Int] = [:]
  private var next = 0
  private(set) var violations: [String] = []

  private func complain(_ text: String) { violations.append(text) }

  /// Reads on.
  func read(_ records: [LogWitness.Seen]) {
    let isNew = next < records.count
    while next < records.count {
      take(records[next])
      next += 1
    }
    if isNew { for name in orders.keys.sorted() { checkOrder(name) } }
  }

  private func take(_ record: LogWitness.Seen) {
    switch record.kind {
    case .command: takeCommand(record)
    case .outcome:
      let identity = "\(record.source) \(record.id)"
      outcomes[identity] = (record.position, record.type == "CommandAccepted")
      undecided.remove(identity)
    case .timer where record.source == "checkout":
      let purpose = MemberText(record.data).texts("purpose").first ?? ""
      firings["\(record.key) \(purpose)", default: 0] += 1
      if purpose.hasPrefix("step "), firings["\(record.key) \(purpose)"]! > 1 {
        complain("I9: the timer \(purpose) of \(record.key) fired twice")
      }
    case .event: takeEvent(record)
    default: break
    }
  }

  private func takeCommand(_ record: LogWitness.Seen) {
    let identity = "\(record.source) \(record.id)"
    if outcomes[identity] == nil { undecided.insert(identity) }
    commands.insert(identity)
    guard record.source == "checkout" else { return }
    guard let name = MemberText(record.data).texts("order").first, var order = orders[name] else {
      return complain("the checkout sent \(record) for an order that is not there")
    }
    let before = order.sent[record.type] ?? []
    if let last = before.last {
      // Another one needs a reason: the one before was refused; or what it undoes may have been news to the
      // saga after it had undone it unseen, once.
      let isRefused = outcomes["checkout \(last.id)"]?.isAccepted == false
      let unrefused = before.count { outcomes["checkout \($0.id)"]?.isAccepted != false }
      let mayBeLate = order.happened(Self.success[record.type] ?? "") && unrefused < 2
      if Self.forward.contains(record.type) || !isRefused && !mayBeLate {
        complain("I4: \(record.type) of \(name) was sent again at \(record.position), after \(last)")
      }
    }
    order.sent[record.type, default: []].append(Sent(position: record.position, id: record.id))
    orders[name] = order
    checkReverse(name, record)
  }

  /// What is undone waits until all that was done after it is undone.
  private func checkReverse(_ name: String, _ record: LogWitness.Seen) {
    guard let order = orders[name],
      let stage = Self.backward.firstIndex(where: { $0.contains(record.type) })
    else { return }
    func first(_ types: [String]) -> Sent? {
      types.flatMap { order.sent[$0] ?? [] }.min { $0.position < $1.position }
    }
    // Only the first of a stage has a place of its own: later ones are further tries, or late.
    guard first(Self.backward[stage])?.position == record.position else { return }
    for other in Self.backward.indices where other != stage {
      guard first(Self.backward[other]) != nil else { continue }
      if other > stage {
        complain("I8: \(record.type) of \(name) at \(record.position) comes behind \(Self.backward[other])")
      } else if !Self.backward[other].contains(where: { isAccepted(order.sent[$0] ?? []) }) {
        complain("I8: \(record.type) of \(name) does not wait for \(Self.backward[other])")
      }
    }
  }

  private func isAccepted(_ sent: [Sent]) -> Bool {
    sent.contains { outcomes["checkout \($0.id)"]?.isAccepted == true }
  }

  private func takeEvent(_ record: LogWitness.Seen) {
    let data = MemberText(record.data)
    func n() -> Int { data.number("n") ?? 0 }
    if record.type == "StockAdded" { shelves[record.key, default: 0] += n() }
    guard let name = data.texts("order").first ?? data.texts("for").first else { return }
    if record.type == "OrderCreated" {
      if orders[name] != nil { complain("I4: \(name) was created twice") }
      orders[name] = Order(data: record.data)
    }
    guard var order = orders[name] else { return }
    order.events[record.type, default: []].append(record.position)
    switch record.type {
    case "StockReserved": order.goods += n()
    case "StockReleased": order.goods -= n()
    case "GiftWrapped": order.gifts += 1
    case "GiftUnwrapped": order.gifts -= 1
    case "PaymentCompleted": order.cents += data.number("cents") ?? 0
    case "PaymentRefunded": order.cents -= data.number("cents") ?? 0
    default: break
    }
    let share = ["StockReserved": -n(), "StockReleased": n(), "GiftWrapped": -1, "GiftUnwrapped": 1]
    if let change = share[record.type] {
      shelves[record.key, default: 0] += change
      if shelves[record.key]! < 0 { complain("there is less than nothing of \(record.key) at \(record)") }
    }
    orders[name] = order
  }

  /// What holds at any time.
  private func checkOrder(_ name: String) {
    guard let order = orders[name] else { return }
    let wrong =
      ![0, order.number("n")].contains(order.goods) || ![0, order.number("cents")].contains(order.cents)
      || ![0, 1].contains(order.gifts) || order.happened("OrderConfirmed") && order.happened("OrderCancelled")
    if wrong { complain("I8: \(name) came to \(order)") }
  }

  /// What became of the orders, by a word for it.
  var tally: [String: Int] {
    var tally = ["orders": orders.count]
    for order in orders.values {
      for (word, isOne) in [
        ("confirmed", order.happened("OrderConfirmed")), ("cancelled", order.happened("OrderCancelled")),
        ("unwrapped", order.happened("GiftUnwrapped")), ("refunded", order.happened("PaymentRefunded")),
        ("refunded late", order.sent["Refund"] != nil && order.sent["CancelCharge"] != nil),
        ("released twice", (order.sent["ReleaseStock"] ?? []).count > 1),
      ] where isOne { tally[word, default: 0] += 1 }
    }
    for (firing, times) in firings {
      tally[String(firing.drop { $0 != " " }.dropFirst()), default: 0] += times
    }
    return tally
  }

  // MARK: At rest

  /// Every command is decided, and every one that was written is there.
  func unfinished(written: [String]) -> [String] {
    undecided.sorted().map { "I10: the command \($0) has no outcome" }
      + Set(written).filter { !commands.contains(" \($0)") }.sorted().map {
        "I1: the command \($0) is not in the log"
      }
  }

  /// Every order has come to its end, or stands visibly where it must.
  /// - Parameter parked: instances whose script failed, until a person mends it.
  func atRest(_ store: ConsumerStore, parked: Set<String>, isMended: Bool) throws(StoreError) -> [String] {
    var found: [String] = []
    for (name, order) in orders.sorted(by: { $0.key < $1.key }) {
      guard let row = try store.saga(Array(name.utf8)) else {
        if !parked.contains(name) { found.append("I8: nothing was begun for \(name)") }
        continue
      }
      let (isConfirmed, isCancelled) = (order.happened("OrderConfirmed"), order.happened("OrderCancelled"))
      let text = "\(name), which is \(row.status): \(order)"
      switch row.status {
      case "completed":
        let isWhole =
          isConfirmed && order.goods == order.number("n") && order.cents == order.number("cents")
          && order.gifts == (order.has("gift") ? 1 : 0)
        if !isWhole { found.append("I8: something is missing of \(text)") }
      case "compensated":
        if !isCancelled || order.goods != 0 || order.cents != 0 || order.gifts != 0 {
          found.append("I8: something is left of \(text)")
        }
      case "stuck":
        if isMended || !order.has("jam") && !order.has("balk") { found.append("I8: nothing holds \(text)") }
      default:
        if isMended || !order.has("trip") || !parked.contains(name) {
          found.append("I8: nobody moves \(text)")
        }
      }
    }
    return found
  }
}

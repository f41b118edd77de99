import Foundation

/// Orders for the checkout of the examples, and what must become of each: known from its number alone,
/// without any of the code that is tested. At each step a third of those that come to it fail; some cards
/// answer later, in time, too late or never.
struct CheckoutOrders {
  enum Fate { case outOfStock, cardRefused, noAddress, answeredLate, neverAnswered, confirmed }

  struct Order {
    var name: String
    var sku: String
    var quantity: Int
    var cents: Int
    var card: String
    var fate: Fate
    /// The card answers by a command of its own.
    var isSlow: Bool

    /// `orders.status`, `orders.reason` and `orders.parcel`, as a line of a query.
    var books: String {
      switch fate {
      case .outOfStock: "\(name)|cancelled|reserve inventory: OUT_OF_STOCK|"
      case .cardRefused: "\(name)|cancelled|charge payment: PaymentFailed|"
      case .noAddress: "\(name)|cancelled|send parcel: NO_ADDRESS|"
      case .answeredLate, .neverAnswered: "\(name)|cancelled|charge payment: timeout|"
      case .confirmed: "\(name)|confirmed||parcel-\(name)"
      }
    }
  }

  static let skus = 100
  static let stock = 10_000
  let orders: [Order]

  init(_ count: Int) { orders = (0..<count).map(Self.order) }

  private static func order(_ number: Int) -> Order {
    let dice = Int(truncatingIfNeeded: (UInt64(number) &* 0x9E37_79B9_7F4A_7C15) >> 40)
    var fate = Fate.confirmed
    let isSlow = dice / 9 % 4 == 0
    if dice % 3 == 0 {
      fate = .outOfStock
    } else if dice / 3 % 3 == 0 {
      fate = .cardRefused
    } else if isSlow, dice / 36 % 3 > 0 {
      fate = dice / 36 % 3 == 1 ? .answeredLate : .neverAnswered
    } else if dice / 108 % 3 == 0 {
      fate = .noAddress
    }
    return Order(
      name: "o-\(number)", sku: "sku-\(number % skus)",
      quantity: fate == .outOfStock ? stock + 1 : 1 + number % 3,
      cents: fate == .cardRefused ? 10_001 : 100 + number % 5_000,
      card: isSlow ? "slow-\(number)" : "v-\(number)", fate: fate, isSlow: isSlow)
  }

  // MARK: Commands

  /// Stock, and all orders.
  var created: String {
    var text = ""
    for sku in 0..<Self.skus {
      text += Self.command(
        "s-\(sku)", "AddStock", "08:00:00", #"{"sku":"sku-\#(sku)","quantity":\#(Self.stock)}"#)
    }
    for order in orders {
      let address = order.fate == .noAddress ? "" : #","address":"Elm Street \#(order.name)""#
      text += Self.command(
        "c-\(order.name)", "CreateOrder", "09:00:00",
        #"{"order_id":"\#(order.name)","sku":"\#(order.sku)","quantity":\#(order.quantity),"#
          + #""total_cents":\#(order.cents),"card":"\#(order.card)"\#(address)}"#)
    }
    return text
  }

  /// The cards that answer before their step has timed out.
  var answersInTime: String {
    answers("09:30:00") { $0.isSlow && ($0.fate == .confirmed || $0.fate == .noAddress) }
  }
  /// Those that answer after it.
  var lateAnswers: String { answers("12:00:00") { $0.fate == .answeredLate } }

  private func answers(_ time: String, _ which: (Order) -> Bool) -> String {
    orders.filter(which).map { order in
      Self.command(
        "p-\(order.name)", "CompletePayment", time,
        #"{"card":"\#(order.card)","order_id":"\#(order.name)"}"#)
    }.joined()
  }

  private static func command(_ id: String, _ type: String, _ time: String, _ data: String) -> String {
    #"{"id":"\#(id)","type":"\#(type)","time":"2026-03-01T\#(time)Z","data":\#(data)}"# + "\n"
  }

  // MARK: The example

  static let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .appending(path: "../../examples/05-checkout").standardizedFileURL

  /// The example's handlers and settings; its commands when they are wanted.
  static func project(commands: Bool) throws -> TestProject {
    let project = try TestProject()
    try project.write(
      try String(contentsOf: example.appending(path: "moontide.lua"), encoding: .utf8), to: "moontide.lua")
    for part in commands ? ["handlers", "commands"] : ["handlers"] {
      let folder = example.appending(path: part)
      for file in try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil) {
        try project.write(
          try String(contentsOf: file, encoding: .utf8), to: "\(part)/\(file.lastPathComponent)")
      }
    }
    return project
  }
}

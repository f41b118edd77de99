import MoontideCore

/// Which function of a handler an event type goes to: the exact type first, then the longest prefix, then
/// `*`. Types are remembered as bytes, so that the next event of the type costs one look-up.
struct SubscriptionTable: Sendable {
  /// What an event type leads to.
  struct Route: Sendable, Equatable {
    /// Index of the subscription, or -1: events of this type are not handled.
    var subscription: Int
    /// Index of the upcaster chain, or -1: none.
    var chain: Int
    /// Index of what upcasters may make of stored events of the type, or -1: they leave it its type.
    var reshaping = -1
  }

  private let interest: EventInterest
  private let chains: [String: Int]
  private var table = ByteTable()
  private var routes: [Route] = []
  private var reshaped: [EventInterest.ReshapedType] = []
  /// The index in `reshaped` of a type.
  private var reshapings: [String: Int] = [:]

  /// - Parameter chains: the index of the upcaster chain of a type.
  init(_ interest: EventInterest, chains: [String: Int] = [:]) {
    self.interest = interest
    self.chains = chains
    for (type, versions) in interest.reshaped {
      reshapings[type] = reshaped.count
      reshaped.append(versions)
    }
  }

  /// - Parameter patterns: types, prefixes with `*` at their end, or `*`.
  init(patterns: [String], chains: [String: Int] = [:]) {
    self.init(EventInterest(subscriptions: patterns), chains: chains)
  }

  mutating func route(_ bytes: [UInt8], _ type: ByteRange) -> Route {
    if let known = table.find(bytes, type) { return routes[known] }
    let text = bytes.text(type)
    let route = Route(
      subscription: Self.subscription(for: text, among: interest.subscriptions) ?? -1,
      chain: chains[text] ?? -1, reshaping: reshapings[text] ?? -1)
    if routes.count < Limits.typesRememberedMax {
      table.insert(bytes, type, value: routes.count)
      routes.append(route)
    }
    return route
  }

  /// Whether a stored event of that route and version concerns the handler.
  func concerns(_ route: Route, version: UInt32) -> Bool {
    if route.reshaping < 0 { return route.subscription >= 0 }
    return reshaped[route.reshaping][version] ?? (route.subscription >= 0)
  }

  /// The index of the most exact pattern that covers the type.
  static func subscription(for type: String, among patterns: [String]) -> Int? {
    var best: (index: Int, weight: Int)?
    for (index, pattern) in patterns.enumerated() where covers(pattern: pattern, type: type) {
      let weight = pattern.hasSuffix("*") ? pattern.utf8.count : Int.max
      if weight > best?.weight ?? -1 { best = (index, weight) }
    }
    return best?.index
  }

  static func covers(pattern: String, type: String) -> Bool {
    pattern.hasSuffix("*") ? type.utf8.starts(with: pattern.utf8.dropLast()) : type == pattern
  }
}

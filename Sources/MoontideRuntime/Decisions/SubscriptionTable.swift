import MoontideCore

/// Which function of a handler an event type goes to: the exact type first, then the longest prefix, then
/// `*`. Types are remembered as bytes, so that the next event of the type costs one look-up.
struct SubscriptionTable: Sendable {
  /// What an event type leads to.
  struct Route: Sendable, Equatable {
    /// Index of the subscription, or -1: not handled.
    var subscription: Int
    /// Index of the upcaster chain, or -1: none.
    var chain: Int
  }

  private let patterns: [String]
  private let chains: [String: Int]
  private var table = ByteTable()
  private var routes: [Route] = []

  /// - Parameters:
  ///   - patterns: types, prefixes with `*` at their end, or `*`.
  ///   - chains: the index of the upcaster chain of a type.
  init(patterns: [String], chains: [String: Int] = [:]) {
    self.patterns = patterns
    self.chains = chains
  }

  mutating func route(_ bytes: [UInt8], _ type: ByteRange) -> Route {
    if let known = table.find(bytes, type) { return routes[known] }
    let text = bytes.text(type)
    let route = Route(
      subscription: Self.subscription(for: text, among: patterns) ?? -1, chain: chains[text] ?? -1)
    if routes.count < Limits.typesRememberedMax {
      table.insert(bytes, type, value: routes.count)
      routes.append(route)
    }
    return route
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

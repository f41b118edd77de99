import MoontideLua

/// The upcaster functions of one state: per type the chain from each version to the newest.
struct UpcasterChains {
  private struct Chain {
    var first: UInt32
    /// From `first`, from `first + 1`, and so on; made once, so that no array is built per event.
    var suffixes: [[LuaFunction]]
  }
  private var chains: [Chain] = []
  /// The index of a type's chain.
  private(set) var byType: [String: Int] = [:]

  /// - Parameter functions: from `first` on, without gaps.
  mutating func add(type: String, first: UInt32, functions: [LuaFunction]) {
    byType[type] = chains.count
    chains.append(Chain(first: first, suffixes: functions.indices.map { Array(functions[$0...]) }))
  }

  /// What to call for an event of that version; empty when it is new enough, or older than the chain.
  func functions(_ chain: Int, from version: UInt32) -> [LuaFunction] {
    let chain = chains[chain]
    guard version >= chain.first, Int(version - chain.first) < chain.suffixes.count else { return [] }
    return chain.suffixes[Int(version - chain.first)]
  }
}

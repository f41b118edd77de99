import MoontideLua

/// The upcaster functions of one state: per type what to call for an event of each version, so that handlers
/// see the newest, or the one that they want.
struct UpcasterChains {
  /// What brings an event of one version to where it is to be.
  enum Way: Equatable {
    /// It is seen as it is: new enough, or older than the chain, which `check` tells.
    case none
    /// The steps, and the version that they lead to.
    case steps(UpcastSteps, version: UInt32)
    /// A version is wanted that nothing leads to.
    case missing(wanted: UInt32)
  }

  private struct Chain {
    var definition: UpcasterDefinition
    var wanted: UInt32?
    /// From `definition.versions.lowerBound` on, by version; made once, so that no array is built per event.
    var ways: [Way]
    /// By the version that it leads from.
    var downs: [UInt32: LuaFunction]
  }
  private var chains: [Chain] = []
  /// The index of a type's chain.
  private(set) var byType: [String: Int] = [:]

  /// - Parameters:
  ///   - functions: of `definition.versions`, in order.
  ///   - downs: by the version that each leads from.
  ///   - wanted: the version to bring events to; nil: the newest.
  mutating func add(
    _ definition: UpcasterDefinition, functions: [LuaFunction], downs: [UInt32: LuaFunction] = [:],
    wanted: UInt32? = nil
  ) {
    let first = definition.versions.lowerBound
    precondition(
      functions.count == definition.versions.count,
      "\(functions.count) functions of \(definition.versions.count) versions")
    byType[definition.type] = chains.count
    var chain = Chain(definition: definition, wanted: wanted, ways: [], downs: downs)
    chain.ways = definition.versions.map { version in
      let end = min(wanted ?? .max, definition.versions.upperBound + 1)
      guard version < end else { return Self.down(chain, from: version) }
      return .steps(
        UpcastSteps(Array(functions[Int(version - first)..<Int(end - first)])), version: end)
    }
    chains.append(chain)
  }

  /// What to call for an event of that version.
  func way(_ chain: Int, from version: UInt32) -> Way {
    let chain = chains[chain]
    let first = chain.definition.versions.lowerBound
    if version >= first, Int(version - first) < chain.ways.count { return chain.ways[Int(version - first)] }
    return Self.down(chain, from: version)
  }

  func definition(_ chain: Int) -> UpcasterDefinition { chains[chain].definition }

  /// The way of a version that no step leads up from, or that is above the one that is wanted.
  private static func down(_ chain: Chain, from version: UInt32) -> Way {
    guard let wanted = chain.wanted, wanted != version else { return .none }
    guard wanted < version else { return .missing(wanted: wanted) }
    let functions = (wanted + 1...version).reversed().map { chain.downs[$0] }
    guard functions.allSatisfy({ $0 != nil }) else { return .missing(wanted: wanted) }
    return .steps(UpcastSteps(functions.compactMap(\.self), isDown: true), version: wanted)
  }
}

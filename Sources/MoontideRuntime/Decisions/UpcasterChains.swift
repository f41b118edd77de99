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

  init() {}

  /// The chains of these upcasters, out of the files that were loaded.
  init(
    _ upcasters: [UpcasterDefinition], _ loaded: [String: [LuaDefinition]]
  ) throws(LuaFault) {
    for upcaster in upcasters.sorted(by: { $0.type < $1.type }) {
      let body = loaded[upcaster.path]?.first { $0.kind == "upcaster" && $0.name == upcaster.type }?.body
      let steps = upcaster.versions.compactMap { Self.step($0, of: body) }
      guard steps.count == upcaster.versions.count else {
        throw LuaFault(
          kind: .runtime,
          message: "the upcaster of \(upcaster.type) has other steps than when it was checked",
          path: upcaster.path, line: upcaster.place.line)
      }
      add(type: upcaster.type, first: upcaster.versions.lowerBound, functions: steps)
    }
  }

  private static func step(_ version: UInt32, of body: LuaTable?) -> LuaFunction? {
    for entry in body?.entries ?? [] where entry.key == .integer(Int64(version)) {
      if case .function(let function) = entry.value { return function }
    }
    return nil
  }

  /// Loads handler files, each once, into one state.
  static func load(
    _ paths: [String], _ scripts: ScriptLibrary, into state: LuaState
  ) throws(LuaFault) -> [String: [LuaDefinition]] {
    var loaded: [String: [LuaDefinition]] = [:]
    for path in paths where loaded[path] == nil {
      guard let script = scripts.handler(path) else {
        throw LuaFault(kind: .runtime, message: "the script \(path) is gone")
      }
      loaded[path] = try state.load(script)
    }
    return loaded
  }
}

import MoontideCore
import MoontideLua

/// One Lua state with everything that a lane runs: the handler's file, its modules, the upcasters of the
/// types that it matches. Thrown away and made anew when a budget tripped.
final class HandlerProgram {
  let state: LuaState
  /// In the order of the definition's subscriptions.
  let functions: [LuaFunction]
  let chains: UpcasterChains

  init(_ definition: HandlerDefinition, catalog: ProjectCatalog, host: any LuaHost) throws(LuaFault) {
    let scripts = catalog.scripts
    state = try LuaState(budget: catalog.defaults.budget, modules: scripts.modules)
    unsafe state.host = host
    let upcasters = catalog.upcasters.values
      .filter { definition.matches(type: $0.type) }.sorted { $0.type < $1.type }
    var loaded: [String: [LuaDefinition]] = [:]
    for path in [definition.path] + upcasters.map(\.path) where loaded[path] == nil {
      guard let script = scripts.handler(path) else {
        throw LuaFault(kind: .runtime, message: "the script \(path) is gone")
      }
      loaded[path] = try state.load(script)
    }
    let own = loaded[definition.path]?.first {
      $0.kind == definition.kind.rawValue && $0.name == definition.name
    }
    var functions: [LuaFunction] = []
    for pattern in definition.subscriptions {
      guard case .table(let on)? = own?.body["on"], case .function(let function)? = on[pattern] else {
        throw LuaFault(
          kind: .runtime, message: "\(definition.name) registers other functions than when it was checked",
          path: definition.path, line: definition.place.line)
      }
      functions.append(function)
    }
    self.functions = functions
    var chains = UpcasterChains()
    for upcaster in upcasters {
      let body = loaded[upcaster.path]?.first { $0.kind == "upcaster" && $0.name == upcaster.type }?.body
      let steps = upcaster.versions.compactMap { Self.step($0, of: body) }
      guard steps.count == upcaster.versions.count else {
        throw LuaFault(
          kind: .runtime,
          message: "the upcaster of \(upcaster.type) has other steps than when it was checked",
          path: upcaster.path, line: upcaster.place.line)
      }
      chains.add(type: upcaster.type, first: upcaster.versions.lowerBound, functions: steps)
    }
    self.chains = chains
    if definition.kind == .projection { try state.bind(tables: definition.tables) }
  }

  private static func step(_ version: UInt32, of body: LuaTable?) -> LuaFunction? {
    for entry in body?.entries ?? [] where entry.key == .integer(Int64(version)) {
      if case .function(let function) = entry.value { return function }
    }
    return nil
  }
}

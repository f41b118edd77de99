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
    let loaded = try UpcasterChains.load([definition.path] + upcasters.map(\.path), scripts, into: state)
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
    chains = try UpcasterChains(upcasters, loaded)
    if definition.kind == .projection { try state.bind(tables: definition.tables) }
  }
}

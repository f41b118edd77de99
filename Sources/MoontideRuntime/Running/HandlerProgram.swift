import MoontideCore
import MoontideLua

/// One Lua state with everything that a lane runs: the handler's file, its modules, the upcasters of the
/// events that concern it. Thrown away and made anew when a budget tripped.
final class HandlerProgram {
  let state: LuaState
  /// In the order of the definition's subscriptions; behind them the one for results, if there is one.
  let functions: [LuaFunction]
  let reading: EventReading

  init(_ definition: HandlerDefinition, catalog: ProjectCatalog, host: any LuaHost) throws(LuaFault) {
    state = try LuaState(budget: catalog.defaults.budget, modules: catalog.scripts.modules)
    unsafe state.host = host
    var loaded: [String: [LuaDefinition]] = [:]
    let own = try catalog.scripts.definitions(definition.path, in: state, loaded: &loaded).first {
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
    if definition.takesResults {
      guard case .function(let function)? = own?.body["on_result"] else {
        throw LuaFault(
          kind: .runtime, message: "\(definition.name) registers no on_result, unlike when it was checked",
          path: definition.path, line: definition.place.line)
      }
      functions.append(function)
    }
    self.functions = functions
    reading = try EventReading(definition.interest, catalog: catalog, state: state, loaded: &loaded)
    if definition.kind == .projection { try state.bind(tables: definition.tables) }
  }
}

extension ScriptLibrary {
  /// What a handler file defines, in a state that loads each file once.
  func definitions(
    _ path: String, in state: LuaState, loaded: inout [String: [LuaDefinition]]
  ) throws(LuaFault) -> [LuaDefinition] {
    if let known = loaded[path] { return known }
    guard let script = handler(path) else {
      throw LuaFault(kind: .runtime, message: "the script \(path) is gone")
    }
    let definitions = try state.load(script)
    loaded[path] = definitions
    return definitions
  }
}

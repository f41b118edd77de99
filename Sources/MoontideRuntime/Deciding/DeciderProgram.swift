import MoontideCore
import MoontideLua

/// One Lua state with a decider's functions and the upcasters of the types it evolves by. Thrown away and
/// made anew when a budget tripped.
final class DeciderProgram {
  let state: LuaState
  let initial: LuaFunction?
  /// By type of command.
  let decide: [String: LuaFunction]
  /// In the order of the definition's `evolves`.
  let evolve: [LuaFunction]
  let reading: EventReading

  init(_ definition: DeciderDefinition, catalog: ProjectCatalog, host: any LuaHost) throws(LuaFault) {
    let scripts = catalog.scripts
    state = try LuaState(budget: catalog.defaults.budget, modules: scripts.modules)
    unsafe state.host = host
    var loaded: [String: [LuaDefinition]] = [:]
    let own = try scripts.definitions(definition.path, in: state, loaded: &loaded).first {
      $0.kind == "decider" && $0.name == definition.name
    }
    guard let body = own?.body else { throw Self.changed(definition) }
    if case .function(let function)? = body["initial"] { initial = function } else { initial = nil }
    var decide: [String: LuaFunction] = [:]
    for type in definition.commands {
      decide[type] = try Self.function(type, of: body["decide"], definition)
    }
    self.decide = decide
    var evolve: [LuaFunction] = []
    for type in definition.evolves { evolve.append(try Self.function(type, of: body["evolve"], definition)) }
    self.evolve = evolve
    reading = try EventReading(
      definition.interest(in: catalog.upcasters), catalog: catalog, state: state, loaded: &loaded)
  }

  private static func function(
    _ name: String, of table: LuaValue?, _ definition: DeciderDefinition
  ) throws(LuaFault) -> LuaFunction {
    guard case .table(let functions)? = table, case .function(let function)? = functions[name] else {
      throw changed(definition)
    }
    return function
  }

  private static func changed(_ definition: DeciderDefinition) -> LuaFault {
    LuaFault(
      kind: .runtime, message: "\(definition.name) registers other functions than when it was checked",
      path: definition.path, line: definition.place.line)
  }
}

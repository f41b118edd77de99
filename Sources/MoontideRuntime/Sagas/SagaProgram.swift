import MoontideCore
import MoontideLua

/// One Lua state with a saga's functions and the upcasters of the types that concern it. Thrown away and made
/// anew when a budget tripped.
final class SagaProgram {
  let state: LuaState
  let initial: LuaFunction?
  let completed: LuaFunction?
  let compensated: LuaFunction?
  let migrate: LuaFunction?
  /// In the order of the definition's correlations; nil where a field is named.
  let correlate: [LuaFunction?]
  /// By step.
  let send: [LuaFunction?]
  let compensate: [LuaFunction?]
  /// In the order of the definition's reactions.
  let reactions: [LuaFunction]
  let timers: [String: LuaFunction]
  let result: LuaFunction?
  let reading: EventReading

  init(_ definition: SagaDefinition, catalog: ProjectCatalog, host: any LuaHost) throws(LuaFault) {
    state = try LuaState(budget: catalog.defaults.budget, modules: catalog.scripts.modules)
    unsafe state.host = host
    var loaded: [String: [LuaDefinition]] = [:]
    let own = try catalog.scripts.definitions(definition.handler.path, in: state, loaded: &loaded).first {
      $0.kind == "saga" && $0.name == definition.name
    }
    guard let body = own?.body else { throw Self.changed(definition) }
    initial = Self.function(body["initial"])
    completed = Self.function(body["completed"])
    compensated = Self.function(body["compensated"])
    migrate = Self.function(body["migrate"])
    result = Self.function(body["on_result"])
    let steps = Self.steps(of: body)
    send = steps.map { Self.function($0["send"]) }
    compensate = steps.map { Self.function($0["compensate"]) }
    let isSame =
      zip(definition.plan.steps, steps).allSatisfy { $0.name == $1["name"]?.text }
      && steps.count == definition.plan.steps.count
    guard isSame else { throw Self.changed(definition) }
    if case .function(let function)? = body["correlate"] {
      correlate = [function]
    } else {
      let table = Self.table(body["correlate"])
      correlate = definition.correlations.map { Self.function(table[$0.pattern]) }
    }
    var reactions: [LuaFunction] = []
    for pattern in definition.reactions {
      guard let function = Self.function(Self.table(body["on"])[pattern]) else {
        throw Self.changed(definition)
      }
      reactions.append(function)
    }
    self.reactions = reactions
    var timers: [String: LuaFunction] = [:]
    for name in definition.timers { timers[name] = Self.function(Self.table(body["timers"])[name]) }
    self.timers = timers
    reading = try EventReading(definition.handler.interest, catalog: catalog, state: state, loaded: &loaded)
  }

  /// All steps in the order of the plan.
  private static func steps(of body: LuaTable) -> [LuaTable] {
    table(body["steps"]).entries.flatMap { entry -> [LuaTable] in
      let step = table(entry.value)
      guard let parallel = step["parallel"] else { return [step] }
      return table(parallel).entries.map { table($0.value) }
    }
  }

  private static func table(_ value: LuaValue?) -> LuaTable {
    if case .table(let table)? = value { return table }
    return LuaTable()
  }

  private static func function(_ value: LuaValue?) -> LuaFunction? {
    if case .function(let function)? = value { return function }
    return nil
  }

  private static func changed(_ definition: SagaDefinition) -> LuaFault {
    LuaFault(
      kind: .runtime, message: "\(definition.name) registers other functions than when it was checked",
      path: definition.handler.path, line: definition.handler.place.line)
  }
}

import MoontideCore

/// A function that lines of Lua find at the desk.
struct DeskFunction: Sendable {
  /// What a call of it does.
  enum Call: Sendable {
    case event, query
    /// The projection's or consumer's function at that place of its subscriptions.
    case handle(HandlerDefinition, Int)
    case decide(DeciderDefinition, String)
    case evolve(DeciderDefinition, Int)
    case initial(DeciderDefinition)
    case state(DeciderDefinition)
    case upcast(UpcasterDefinition, UInt32, isDown: Bool)
    case saga(SagaDefinition, SagaFunction)
  }

  /// Functions of a saga.
  enum SagaFunction: Sendable, Hashable {
    case correlate(Int), initial, send(Int), compensate(Int), completed, compensated
    case react(Int), timer(String)
  }

  /// The global, then fields of tables; a name that begins with `#` is a whole number.
  var path: [String]
  var call: Call

  /// All that a catalog has: by the name of its definition, below `handlers` too, where names stand that are
  /// no names of Lua or that Lua has taken.
  static func all(of catalog: ProjectCatalog) -> [DeskFunction] {
    var functions = [
      DeskFunction(path: ["event"], call: .event), DeskFunction(path: ["query"], call: .query),
    ]
    for definition in catalog.definitions where definition.kind != .saga {
      for (index, type) in definition.subscriptions.enumerated() {
        functions.append(DeskFunction(path: [definition.name, type], call: .handle(definition, index)))
      }
    }
    for decider in catalog.deciders {
      for type in decider.commands {
        functions.append(DeskFunction(path: [decider.name, "decide", type], call: .decide(decider, type)))
      }
      for (index, type) in decider.evolves.enumerated() {
        functions.append(DeskFunction(path: [decider.name, "evolve", type], call: .evolve(decider, index)))
      }
      functions.append(DeskFunction(path: [decider.name, "initial"], call: .initial(decider)))
      functions.append(DeskFunction(path: [decider.name, "state"], call: .state(decider)))
    }
    for upcaster in catalog.upcasters.values.sorted(by: { $0.type < $1.type }) {
      for version in upcaster.versions {
        functions.append(
          DeskFunction(path: [upcaster.type, "#\(version)"], call: .upcast(upcaster, version, isDown: false)))
      }
      for version in upcaster.downs {
        functions.append(
          DeskFunction(
            path: [upcaster.type, "down", "#\(version)"], call: .upcast(upcaster, version, isDown: true)))
      }
    }
    for saga in catalog.sagas.values.sorted(by: { $0.name < $1.name }) { functions += all(of: saga) }
    return functions.flatMap { function in
      function.path.count == 1 || isTaken(function.path[0])
        ? [function.path.count == 1 ? function : function.below] : [function, function.below]
    }
  }

  private static func all(of saga: SagaDefinition) -> [DeskFunction] {
    func function(_ path: [String], _ call: SagaFunction) -> DeskFunction {
      DeskFunction(path: [saga.name] + path, call: .saga(saga, call))
    }
    var functions = [
      function(["initial"], .initial), function(["completed"], .completed),
      function(["compensated"], .compensated),
    ]
    for (index, correlation) in saga.correlations.enumerated() {
      functions.append(function(["correlate", correlation.pattern], .correlate(index)))
    }
    for (index, step) in saga.plan.steps.enumerated() {
      functions.append(function(["steps", step.name, "send"], .send(index)))
      functions.append(function(["steps", step.name, "compensate"], .compensate(index)))
    }
    for (index, type) in saga.reactions.enumerated() {
      functions.append(function(["on", type], .react(index)))
    }
    for name in saga.timers { functions.append(function(["timers", name], .timer(name))) }
    return functions
  }

  private var below: DeskFunction { DeskFunction(path: ["handlers"] + path, call: call) }

  /// Names that are no globals of their own here: what Lua and the sandbox have, and what is no name.
  static func isTaken(_ name: String) -> Bool {
    let isName =
      name.first.map { $0.isLetter || $0 == "_" } == true
      && name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }
    return !isName || reserved.contains(name)
  }

  /// Lua's own globals, keywords, and those of the sandbox.
  static let reserved: Set<String> = [
    "_", "_G", "and", "array", "assert", "break", "commands", "consumer", "coroutine", "decider", "do",
    "drop",
    "else", "elseif", "end", "error", "event", "events", "false", "for", "function", "getmetatable", "goto",
    "handlers", "if", "in", "ipairs", "json", "local", "math", "moontide", "next", "nil", "not", "null", "or",
    "os", "pairs", "pcall", "print", "projection", "query", "rawequal", "rawget", "rawlen", "rawset",
    "reject",
    "rename", "repeat", "require", "return", "saga", "select", "setmetatable", "split", "string", "table",
    "then",
    "tonumber", "tostring", "true", "type", "until", "upcaster", "utf8", "while", "xpcall",
  ]
}

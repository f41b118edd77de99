import MoontideCore
import MoontideLua

/// Where the functions of a decider stand in its script.
struct DeciderPlaces {
  private let definition: DeciderDefinition
  private let script: ScriptTokens?
  private let outline: TableOutline?

  init(_ definition: DeciderDefinition, scripts: ScriptLibrary) {
    self.definition = definition
    script = scripts.tokens(definition.path)
    outline = script.flatMap {
      TableOutline(kind: "decider", name: definition.name, line: definition.place.line, in: $0)
    }
  }

  /// Of the key `type` in `decide` or `evolve`; of the decider where it is not written there.
  func place(_ part: String, _ type: String) -> SourcePlace {
    guard let script, let field = outline?.field([part, type]) else { return definition.place }
    return script.place(of: script.tokens[field.keyToken])
  }

  /// A fault of what a function returned is that of no line: it is told where the function stands.
  func locate(_ fault: LuaFault, _ part: String, _ type: String) -> LuaFault {
    guard fault.path == nil else { return fault }
    var located = fault
    located.path = definition.path
    located.line = place(part, type).line
    return located
  }
}

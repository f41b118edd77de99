import MoontideCore

/// The event and command types that a project's scripts name, each with the place where it is named first.
struct NamedTypes: Sendable {
  /// Everything that scripts name as an event: what handlers handle, what is emitted, what upcasters are
  /// for and what they make.
  private(set) var events: [String: SourcePlace] = [:]
  /// Of these what scripts make: `events.Type`.
  private(set) var made: [String: SourcePlace] = [:]
  /// `commands.Type`
  private(set) var commands: [String: SourcePlace] = [:]
  /// What is made with a table that is written there, and its names; once for each place.
  private(set) var literals: [(type: String, fields: [String], place: SourcePlace)] = []

  init(_ catalog: ProjectCatalog) {
    for script in catalog.scripts.handlers
      + catalog.scripts.modules.sorted(by: { $0.key < $1.key }).map(\.value)
    {
      if let tokens = catalog.scripts.tokens(script.path) { read(tokens) }
    }
    for definition in catalog.definitions {
      let script = catalog.scripts.tokens(definition.path)
      let outline = script.flatMap {
        TableOutline(
          kind: definition.kind.rawValue, name: definition.name, line: definition.place.line, in: $0)
      }
      for type in definition.subscriptions where !type.hasSuffix("*") {
        let field = outline?.field(["on", type])
        let place = field.flatMap { field in script.map { $0.place(of: $0.tokens[field.keyToken]) } }
        note(type, at: place ?? definition.place, in: &events)
      }
    }
    for decider in catalog.deciders {
      let places = DeciderPlaces(decider, scripts: catalog.scripts)
      for type in decider.commands { note(type, at: places.place("decide", type), in: &commands) }
      for type in decider.evolves where !type.hasSuffix("*") {
        note(type, at: places.place("evolve", type), in: &events)
      }
    }
    for upcaster in catalog.upcasters.values.sorted(by: { $0.type < $1.type }) {
      note(upcaster.type, at: upcaster.place, in: &events)
      for target in upcaster.shapes.flatMap(\.targets) { note(target.type, at: target.place, in: &events) }
    }
  }

  private func note(_ type: String, at place: SourcePlace, in types: inout [String: SourcePlace]) {
    if types[type] == nil { types[type] = place }
  }

  /// `events.Type`, `events["Type"]`, and the same of commands.
  private mutating func read(_ script: ScriptTokens) {
    for index in script.tokens.indices where script.tokens[index].kind == .name {
      let family = script.text(script.tokens[index])
      guard family == "events" || family == "commands", !script.isSymbol(index - 1, "."),
        !script.isSymbol(index - 1, ":"), script.tokens.indices.contains(index + 2)
      else { continue }
      let token = script.tokens[index + 2]
      let type: String
      var open = index + 3
      if script.isSymbol(index + 1, "."), token.kind == .name {
        type = script.text(token)
      } else if script.isSymbol(index + 1, "["), script.isSymbol(index + 3, "]"),
        let content = script.content(of: token)
      {
        type = String(decoding: content, as: UTF8.self)
        open = index + 4
      } else {
        continue
      }
      let place = script.place(of: token)
      if family == "commands" {
        note(type, at: place, in: &commands)
        continue
      }
      note(type, at: place, in: &events)
      note(type, at: place, in: &made)
      if script.isSymbol(open, "(") { open += 1 }
      if script.isSymbol(open, "{"), let fields = Self.fields(script, open: open) {
        literals.append((type, fields, place))
      }
    }
  }

  /// The names of a table that opens at `open`, or nil when it is more than names and values.
  private static func fields(_ script: ScriptTokens, open: Int) -> [String]? {
    var fields: [String] = []
    var depth = 0
    for index in open..<script.tokens.count {
      if depth == 1, script.isSymbol(index - 1, "{") || script.isSymbol(index - 1, ",") {
        if script.isSymbol(index, "}") { return fields }
        guard script.tokens[index].kind == .name, script.isSymbol(index + 1, "=") else { return nil }
        fields.append(script.text(script.tokens[index]))
      }
      depth += FileChunks.change(script, index)
      if depth == 0 { return fields }
    }
    return nil
  }
}

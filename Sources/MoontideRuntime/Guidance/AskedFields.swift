import MoontideCore

/// The fields of `event.data` that a handler's functions for single types ask for, as their text says:
/// `event.data.total`, or `data.total` after `local data = event.data` for as long as the name surely means
/// that.
struct AskedFields: Sendable {
  private(set) var fields: [MissedField] = []

  init(_ catalog: ProjectCatalog) {
    for definition in catalog.definitions {
      guard let script = catalog.scripts.tokens(definition.path),
        let outline = TableOutline(
          kind: definition.kind.rawValue, name: definition.name, line: definition.place.line, in: script)
      else { continue }
      for type in definition.subscriptions
      where !type.hasSuffix("*") && definition.interest.wants[type] == nil {
        guard let field = outline.field(["on", type]), script.isSymbol(field.valueToken, "function") else {
          continue
        }
        let end = min(field.valueToken + field.valueCount, script.tokens.count)
        read(script, field.valueToken..<end, type, "\(definition.kind.rawValue) \(definition.name)")
      }
    }
  }

  /// Whether a name is an argument of a call, or a value: it stands for what it did.
  private func isPassed(_ script: ScriptTokens, _ index: Int) -> Bool {
    if script.isSymbol(index + 1, "=") || script.isSymbol(index + 1, "in") || script.isSymbol(index + 1, ",")
    {
      return false
    }
    if script.isSymbol(index - 1, "=") || script.isSymbol(index - 1, "return") { return true }
    return script.isSymbol(index - 1, "(") && script.isSymbol(index + 1, ")")
      && !script.isSymbol(index - 2, "function")
      && !script.isSymbol(index - 3, "function")
  }

  private mutating func read(_ script: ScriptTokens, _ range: Range<Int>, _ type: String, _ handler: String) {
    func name(_ index: Int) -> String? {
      range.contains(index) && script.tokens[index].kind == .name ? script.text(script.tokens[index]) : nil
    }
    guard script.isSymbol(range.lowerBound + 1, "("), let event = name(range.lowerBound + 2) else { return }
    var data: Set<String> = []
    var told: Set<String> = []
    for index in range.dropFirst(3) {
      guard let word = name(index), !script.isSymbol(index - 1, "."), !script.isSymbol(index - 1, ":") else {
        continue
      }
      var at = index
      if word == event, script.isSymbol(index + 1, "."), name(index + 2) == "data" {
        at = index + 2
        if script.isSymbol(index - 1, "="), let alias = name(index - 2), script.isSymbol(index - 3, "local"),
          !script.isSymbol(at + 1, "."), !script.isSymbol(at + 1, "["), !script.isSymbol(at + 1, ":")
        {
          data.insert(alias)
        }
      } else if !data.contains(word) {
        continue
      } else if !script.isSymbol(at + 1, "."), !script.isSymbol(at + 1, "["), !script.isSymbol(at + 1, ":") {
        // Declared again, or given another value, from here on.
        if !isPassed(script, at) { data.remove(word) }
        continue
      }
      guard script.isSymbol(at + 1, "."), let field = name(at + 2), told.insert(field).inserted else {
        continue
      }
      fields.append(
        MissedField(
          handler: handler, field: field, type: type,
          place: script.place(of: script.tokens[at + 2], label: "never there")))
    }
  }
}

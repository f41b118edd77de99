import MoontideCore
import MoontideLua

/// Checks the body of one definition, key by key, and collects what is wrong with it, each at its place.
struct DefinitionReader {
  let definition: LuaDefinition
  let script: ScriptTokens?
  let outline: TableOutline?
  private(set) var diagnostics: [Diagnostic] = []
  /// Keys that unknown ones were probably meant to be.
  private(set) var misspelt: Set<String> = []

  init(_ definition: LuaDefinition, script: ScriptTokens?) {
    self.definition = definition
    self.script = script
    outline = script.flatMap {
      TableOutline(kind: definition.kind, name: definition.name, line: definition.line, in: $0)
    }
  }

  /// Of a table that is not the argument of a constructor.
  init(_ definition: LuaDefinition, script: ScriptTokens?, outline: TableOutline?) {
    self.definition = definition
    self.script = script
    self.outline = outline
  }

  /// `consumer "receipts"`, as messages name it.
  var title: String { "\(definition.kind) \"\(definition.name)\"" }

  var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

  /// Where the definition's name is written.
  var place: SourcePlace {
    guard let script else { return SourcePlace(file: definition.path, line: definition.line) }
    if let outline { return script.place(of: script.tokens[outline.nameToken]) }
    return script.place(line: definition.line, blaming: definition.name)
  }

  /// Where a key is written, or else the nearest place above it.
  func keyPlace(_ path: [String], label: String = "") -> SourcePlace {
    guard let script, let field = outline?.field(path) else {
      return path.count > 1 ? keyPlace(Array(path.dropLast()), label: label) : place
    }
    return script.place(of: script.tokens[field.keyToken], label: label)
  }

  /// Where the value of a key is written.
  func valuePlace(_ path: [String], label: String = "") -> SourcePlace {
    guard let script, let field = outline?.field(path), field.valueToken < script.tokens.count else {
      return keyPlace(path, label: label)
    }
    return script.place(of: script.tokens[field.valueToken], label: label)
  }

  mutating func report(
    _ code: RuntimeCode, _ text: String, at place: SourcePlace, help: String? = nil
  ) {
    let diagnostic = Diagnostic(code.severity, code: code.rawValue, text, at: place)
    diagnostics.append(diagnostic.adding("help", help ?? code.explanation))
  }

  /// Reports every key that is not allowed there.
  mutating func checkKeys(
    of table: LuaTable, at path: [String] = [], allowed: [String], elsewhere: [String: String] = [:]
  ) {
    for entry in table.entries {
      guard let key = entry.key.text else {
        report(
          .unknownKey, "\(title): a list entry stands where only named keys are allowed",
          at: keyPlace(path + [Self.pathKey(entry.key)]), help: "the keys are: \(list(allowed))")
        continue
      }
      if allowed.contains(key) { continue }
      let place: String
      if path.isEmpty { place = title } else { place = "\(title), \(path.joined(separator: "."))" }
      if let reason = elsewhere[key] {
        report(.unknownKey, "\(place): `\(key)` \(reason)", at: keyPlace(path + [key]))
      } else if let near = Suggestion.nearest(to: key, among: allowed)
        ?? Suggestion.begun(by: key, among: allowed)
      {
        if path.isEmpty { misspelt.insert(near) }
        report(
          .unknownKey, "\(place): unknown key `\(key)`", at: keyPlace(path + [key], label: "unknown"),
          help: "did you mean `\(near)`?")
      } else {
        report(
          .unknownKey, "\(place): unknown key `\(key)`", at: keyPlace(path + [key], label: "unknown"),
          help: "the keys are: \(list(allowed))")
      }
    }
  }

  /// The text of a key, if it is there; reports another kind of value.
  mutating func text(_ table: LuaTable, _ path: [String]) -> String? {
    guard let value = table[path[path.count - 1]] else { return nil }
    if let text = value.text { return text }
    wrongKind(value, path, wanted: "a text")
    return nil
  }

  /// The whole number of a key, if it is there; reports another kind of value or one out of range.
  mutating func integer(_ table: LuaTable, _ path: [String], in range: ClosedRange<Int>) -> Int? {
    guard let value = table[path[path.count - 1]] else { return nil }
    guard case .integer(let number) = value else {
      wrongKind(value, path, wanted: "a whole number")
      return nil
    }
    guard let exact = Int(exactly: number), range.contains(exact) else {
      report(
        .badValue,
        "\(title): `\(path.joined(separator: "."))` is from \(range.lowerBound) to "
          + "\(range.upperBound), not \(number)", at: valuePlace(path))
      return nil
    }
    return exact
  }

  /// The duration of a key, if it is there.
  mutating func duration(_ table: LuaTable, _ path: [String]) -> Duration? {
    guard let value = table[path[path.count - 1]] else { return nil }
    if let text = value.text, let duration = DurationText.parse(text) { return duration }
    let shown = value.text.map { "\"\($0)\"" } ?? Self.kindName(value)
    report(
      .badValue,
      "\(title): `\(path.joined(separator: "."))` is a duration such as \"200ms\", \"2s\", \"15m\", \"1h\", "
        + "\"1d\", not \(shown)", at: valuePlace(path))
    return nil
  }

  /// One of a few words.
  mutating func word(_ table: LuaTable, _ path: [String], of words: [String]) -> String? {
    guard let text = text(table, path) else { return nil }
    if words.contains(text) { return text }
    report(
      .badValue,
      "\(title): `\(path.joined(separator: "."))` is \(list(words.map { "\"\($0)\"" })), not \"\(text)\"",
      at: valuePlace(path),
      help: Suggestion.nearest(to: text, among: words).map { "did you mean \"\($0)\"?" })
    return nil
  }

  /// Names become names of files, a projection's one of SQL too.
  mutating func checkName(_ name: String, isProjection: Bool = false, at place: SourcePlace) {
    let letters = Array(name.utf8)
    let isWord = letters.allSatisfy {
      $0 == UInt8(ascii: "_") || $0 &- UInt8(ascii: "a") < 26 || $0 &- UInt8(ascii: "0") < 10
    }
    if !isWord || !((letters.first ?? 0) &- UInt8(ascii: "a") < 26)
      || letters.count > Limits.handlerNameBytesMax
    {
      report(
        .badName,
        "a name begins with a letter a-z and goes on with a-z, 0-9 and _, at most "
          + "\(Limits.handlerNameBytesMax) of them, unlike \"\(name)\"", at: place)
    } else if isProjection, ["main", "temp", "sys"].contains(name) {
      report(.badName, "\"\(name)\" is a schema of its own in SQL; choose another name", at: place)
    }
  }

  mutating func wrongKind(_ value: LuaValue, _ path: [String], wanted: String) {
    report(
      .wrongKind,
      "\(title): `\(path.joined(separator: "."))` is \(wanted), not \(Self.kindName(value))",
      at: valuePlace(path))
  }

  private func list(_ words: [String]) -> String { words.joined(separator: ", ") }

  /// A key as `TableOutline` names it.
  static func pathKey(_ key: LuaValue) -> String {
    switch key {
    case .string(let bytes): String(decoding: bytes, as: UTF8.self)
    case .integer(let number): "[\(number)]"
    case .number(let number): "[\(number)]"
    case .boolean(let flag): "[\(flag)]"
    default: "[]"
    }
  }

  static func kindName(_ value: LuaValue) -> String {
    switch value {
    case .nil: "nil"
    case .null: "null"
    case .boolean(let flag): flag ? "true" : "false"
    case .integer(let number): "\(number)"
    case .number(let number): "\(number)"
    case .string: "a text"
    case .table: "a table"
    case .function: "a function"
    }
  }
}

import MoontideCore
import MoontideLua

/// Where the keys and values of a definition's table were written, read from tokens alone. It exists only
/// when the body is written as a table in the call; else errors point at the definition.
struct TableOutline {
  struct Field {
    /// A name, or `[1]` for a number and for the place in a list.
    var key: String
    /// Indexes of tokens: of the key (of the value in a list) and of the value's first token.
    var keyToken: Int
    var valueToken: Int
    /// How many tokens the value has.
    var valueCount: Int
    var children: [Field]
  }

  /// The token that holds the definition's name.
  let nameToken: Int
  private(set) var fields: [Field] = []
  private let script: ScriptTokens

  /// The constructor call `kind "name" { … }` that is nearest to the line.
  init?(kind: String, name: String, line: Int, in script: ScriptTokens) {
    self.script = script
    let tokens = script.tokens
    var found: (distance: Int, name: Int)?
    for index in tokens.indices where tokens[index].kind == .name && script.text(tokens[index]) == kind {
      let next = script.isSymbol(index + 1, "(") ? index + 2 : index + 1
      guard next < tokens.count, script.content(of: tokens[next]) == Array(name.utf8) else { continue }
      let distance = abs(tokens[index].line - line)
      if distance < found?.distance ?? .max { found = (distance, next) }
    }
    guard let found else { return nil }
    nameToken = found.name
    var open = found.name + 1
    while script.isSymbol(open, ")") || script.isSymbol(open, "(") { open += 1 }
    if script.isSymbol(open, "{") { fields = readTable(at: open, depth: 0).fields }
  }

  /// The table that a settings file returns: the last `return {`.
  init?(settings script: ScriptTokens) {
    self.script = script
    let isReturn = { (index: Int) in
      script.tokens[index].kind == .keyword && script.text(script.tokens[index]) == "return"
    }
    guard let found = script.tokens.indices.last(where: isReturn), script.isSymbol(found + 1, "{") else {
      return nil
    }
    nameToken = found
    fields = readTable(at: found + 1, depth: 0).fields
  }

  /// The field at a path of keys, or nil.
  func field(_ path: [String]) -> Field? {
    var fields = self.fields
    var found: Field?
    for key in path {
      guard let field = fields.first(where: { $0.key == key }) else { return nil }
      found = field
      fields = field.children
    }
    return found
  }

  /// Reads the table that opens at `open`; returns the index behind its closing brace.
  private func readTable(at open: Int, depth: Int) -> (fields: [Field], end: Int) {
    var fields: [Field] = []
    var at = open + 1
    var ordinal = 0
    while at < script.tokens.count, !script.isSymbol(at, "}") {
      if script.isSymbol(at, ",") || script.isSymbol(at, ";") {
        at += 1
        continue
      }
      let keyToken = at
      let key: String
      if script.tokens[at].kind == .name, script.isSymbol(at + 1, "=") {
        key = script.text(script.tokens[at])
        at += 2
      } else if script.isSymbol(at, "["), script.isSymbol(at + 2, "]"), script.isSymbol(at + 3, "=") {
        let inner = script.tokens[at + 1]
        key =
          script.content(of: inner).map { String(decoding: $0, as: UTF8.self) } ?? "[\(script.text(inner))]"
        at += 4
      } else {
        ordinal += 1
        key = "[\(ordinal)]"
      }
      let value = at
      var children: [Field] = []
      if script.isSymbol(at, "{"), depth < Limits.outlineDepthMax {
        (children, at) = readTable(at: at, depth: depth + 1)
      }
      at = skipExpression(from: at)
      let isIndexed = script.isSymbol(keyToken, "[") && keyToken != value
      fields.append(
        Field(
          key: key, keyToken: isIndexed ? keyToken + 1 : keyToken, valueToken: value, valueCount: at - value,
          children: children))
    }
    return (fields, min(at + 1, script.tokens.count))
  }

  /// Moves to the `,`, `;` or `}` that ends the value.
  private func skipExpression(from start: Int) -> Int {
    var at = start
    var depth = 0
    while at < script.tokens.count {
      let token = script.tokens[at]
      if token.kind == .symbol || token.kind == .keyword {
        switch script.text(token) {
        case "(", "{", "[", "function", "if", "do", "repeat": depth += 1
        case "}" where depth == 0, "," where depth == 0, ";" where depth == 0: return at
        case ")", "}", "]", "end", "until": depth -= 1
        default: break
        }
      }
      at += 1
    }
    return at
  }
}

/// The statements of a script's outermost level, each with the names that it gives a value to: what a
/// function of a definition can reach by a name. Read from tokens alone.
struct FileChunks {
  struct Chunk {
    /// Empty for a loop or a condition, which may do anything.
    var names: Set<String>
    var range: Range<Int>
    /// Whether it is `kind "name" …`: what is in it is reached through the definition alone.
    var isDefinition: Bool
  }

  private(set) var chunks: [Chunk] = []
  private let script: ScriptTokens

  private static let kinds: Set = ["projection", "consumer", "upcaster", "decider", "saga"]

  init(_ script: ScriptTokens) {
    self.script = script
    var depth = 0
    for index in script.tokens.indices {
      if depth == 0, begins(index) { chunks.append(chunk(at: index)) }
      depth += FileChunks.change(script, index)
      if !chunks.isEmpty {
        chunks[chunks.count - 1].range = chunks[chunks.count - 1].range.lowerBound..<index + 1
      }
    }
  }

  /// By how much a token changes the depth of brackets and blocks.
  static func change(_ script: ScriptTokens, _ index: Int) -> Int {
    let token = script.tokens[index]
    guard token.kind == .symbol || token.kind == .keyword else { return 0 }
    switch script.text(token) {
    case "(", "{", "[", "function", "if", "do", "repeat": return 1
    case ")", "}", "]", "end", "until": return -1
    default: return 0
    }
  }

  /// Whether a statement begins at a token of the outermost level.
  private func begins(_ index: Int) -> Bool {
    let token = script.tokens[index]
    switch token.kind {
    case .keyword:
      switch script.text(token) {
      case "local", "for", "while", "if", "repeat", "return", "goto": return true
      case "function": return !script.isSymbol(index - 1, "local") && !isInExpression(index)
      case "do": return isStatementEnd(index - 1)
      default: return false
      }
    case .name: return isStatementEnd(index - 1)
    default: return false
    }
  }

  /// Whether a `function` is a value: `x = function`, `f(function`.
  private func isInExpression(_ index: Int) -> Bool { !isStatementEnd(index - 1) }

  /// Whether an expression can end at a token, so that what follows is a new statement.
  private func isStatementEnd(_ index: Int) -> Bool {
    guard index >= 0 else { return true }
    let token = script.tokens[index]
    switch token.kind {
    case .name, .number, .string: return true
    case .keyword: return ["end", "nil", "true", "false"].contains(script.text(token))
    case .symbol: return [")", "}", "]", ";", "..."].contains(script.text(token))
    case .unknown: return false
    }
  }

  private func chunk(at start: Int) -> Chunk {
    var names: Set<String> = []
    var isDefinition = false
    if script.isSymbol(start, "local") {
      var at = script.isSymbol(start + 1, "function") ? start + 2 : start + 1
      while let name = name(at) {
        names.insert(name)
        at += 1
        while script.isSymbol(at, "<") { at += 3 }
        guard script.isSymbol(at, ",") else { break }
        at += 1
      }
    } else if script.isSymbol(start, "function") {
      if let name = name(start + 1) { names = [name] }
    } else if let name = name(start) {
      names = [name]
      let next = script.isSymbol(start + 1, "(") ? start + 2 : start + 1
      isDefinition =
        FileChunks.kinds.contains(name) && script.tokens.indices.contains(next)
        && script.tokens[next].kind == .string
    }
    return Chunk(names: names, range: start..<start + 1, isDefinition: isDefinition)
  }

  private func name(_ index: Int) -> String? {
    guard script.tokens.indices.contains(index), script.tokens[index].kind == .name else { return nil }
    return script.text(script.tokens[index])
  }

  /// The ranges that a range can reach by names: itself first, then statements that give a value to a name in
  /// it, to one in those, and so on, and those that name nothing.
  func reach(of range: Range<Int>) -> [Range<Int>] {
    var found = [range]
    var open = chunks.filter { !$0.isDefinition }
    var names = names(in: range)
    while let next = open.firstIndex(where: { $0.names.isEmpty || !$0.names.isDisjoint(with: names) }) {
      let chunk = open.remove(at: next)
      found.append(chunk.range)
      names.formUnion(self.names(in: chunk.range))
    }
    return found
  }

  private func names(in range: Range<Int>) -> Set<String> {
    Set(range.compactMap { name($0) })
  }
}

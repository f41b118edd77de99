/// What the names of a script stand for, read from tokens alone: what a function of a definition can reach by
/// a name. It errs to one side: a name whose value is not plain to see may be anything.
struct FileChunks {
  /// The functions of the outermost level that keep their name for good, `local function NAME … end`.
  private(set) var functions: [String: Range<Int>] = [:]
  /// Names that the file gives a value otherwise, or in more than one place.
  private(set) var given: Set<String> = []
  private let script: ScriptTokens
  /// Tokens that are keys of tables: `{ NAME = …`.
  private var keys: Set<Int> = []
  /// Tokens inside of functions.
  private var inner: [Range<Int>] = []

  init(_ script: ScriptTokens) {
    self.script = script
    findKeys()
    for index in script.tokens.indices where script.isSymbol(index, "function") {
      guard !isInFunction(index), let end = end(of: index) else { continue }
      inner.append(index + 1..<end)
    }
    findNames()
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

  /// Behind the token that closes what a bracket or block opens.
  func end(of open: Int) -> Int? {
    var depth = 0
    for index in open..<script.tokens.count {
      depth += FileChunks.change(script, index)
      if depth == 0 { return index + 1 }
    }
    return nil
  }

  /// Whether a token is inside of a function.
  func isInFunction(_ index: Int) -> Bool { inner.contains { $0.contains(index) } }

  /// The variable at a token: no field, and no key of a table.
  func variable(_ index: Int) -> String? {
    guard script.tokens.indices.contains(index), script.tokens[index].kind == .name,
      !script.isSymbol(index - 1, "."), !script.isSymbol(index - 1, ":"), !keys.contains(index)
    else { return nil }
    return script.text(script.tokens[index])
  }

  /// The ranges that a range can reach by the names in it: itself first, then functions of the file, those
  /// that they name, and so on.
  ///
  /// Returns also whether that is all: false when one names what may be anything.
  func reach(of range: Range<Int>) -> (ranges: [Range<Int>], isAll: Bool) {
    var found = [range]
    var isAll = true
    var at = 0
    while at < found.count {
      for index in found[at] {
        guard let name = variable(index) else { continue }
        if let function = functions[name] {
          if !found.contains(function) { found.append(function) }
        } else if given.contains(name) || FileChunks.doors.contains(name) {
          isAll = false
        }
      }
      at += 1
    }
    return (found, isAll)
  }

  /// Names of the language that lead to others.
  static let doors: Set = ["_G", "_ENV", "require"]

  private mutating func findKeys() {
    var open: [Bool] = []
    for index in script.tokens.indices {
      let change = FileChunks.change(script, index)
      if change > 0 { open.append(script.isSymbol(index, "{")) }
      if change < 0 { _ = open.popLast() }
      if open.last == true, script.tokens[index].kind == .name, script.isSymbol(index + 1, "=") {
        keys.insert(index)
      }
    }
  }

  private mutating func findNames() {
    var open: [Bool] = []
    for index in script.tokens.indices {
      let change = FileChunks.change(script, index)
      if change > 0 { open.append(["(", "{", "["].contains { script.isSymbol(index, $0) }) }
      if change < 0 { _ = open.popLast() }
      guard let name = variable(index) else { continue }
      let isLocal = script.isSymbol(index - 1, "local")
      if script.isSymbol(index - 1, "function") {
        let isPlain = script.isSymbol(index - 2, "local")
        if isPlain, open == [false], functions[name] == nil, let end = end(of: index - 1) {
          functions[name] = index - 2..<end
        } else if !isPlain || !isInFunction(index - 1) {
          given.insert(name)
        }
      } else if isLocal, isInFunction(index) {
        continue
      } else if isLocal || script.isSymbol(index + 1, "=") || script.isSymbol(index + 1, "in") {
        given.insert(name)
      } else if open.last != true, script.isSymbol(index - 1, ",") || script.isSymbol(index + 1, ",") {
        // One of several that are given values at once; what is only one of several values counts too.
        given.insert(name)
      }
    }
    for name in given { functions[name] = nil }
  }
}

import MoontideCore

/// Finds functions that assign a local variable of the file, or change a table that is held in one: state
/// that would survive between events. A heuristic over tokens: it stays silent when the name is also a
/// parameter or a local of the function.
struct LocalAssignments {
  private let script: ScriptTokens
  private(set) var warnings: [Diagnostic] = []
  private var fileLocals: Set<String> = []

  init(_ script: ScriptTokens) {
    self.script = script
    var at = 0
    while at < script.tokens.count {
      if script.isSymbol(at, "local") { fileLocals.formUnion(localNames(after: at)) }
      if script.isSymbol(at, "function") {
        let end = endOfBlock(at)
        checkFunction(at..<end)
        at = end
      } else {
        at += 1
      }
    }
  }

  /// The names that a `local` at `index` declares.
  private func localNames(after index: Int) -> [String] {
    if script.isSymbol(index + 1, "function") { return name(index + 2).map { [$0] } ?? [] }
    var names: [String] = []
    var at = index + 1
    while let found = name(at) {
      names.append(found)
      at += 1
      while script.isSymbol(at, "<") { at += 3 }
      guard script.isSymbol(at, ",") else { break }
      at += 1
    }
    return names
  }

  private func name(_ index: Int) -> String? {
    guard script.tokens.indices.contains(index), script.tokens[index].kind == .name else { return nil }
    return script.text(script.tokens[index])
  }

  /// Behind the `end` of the function at `start`.
  private func endOfBlock(_ start: Int) -> Int {
    var depth = 0
    for index in start..<script.tokens.count where script.tokens[index].kind == .keyword {
      switch script.text(script.tokens[index]) {
      case "function", "if", "do", "repeat": depth += 1
      case "end", "until":
        depth -= 1
        if depth == 0 { return index + 1 }
      default: break
      }
    }
    return script.tokens.count
  }

  /// Everything that the function declares itself: parameters, locals, loop variables.
  private func ownNames(_ range: Range<Int>) -> Set<String> {
    var own: Set<String> = []
    for index in range {
      if script.isSymbol(index, "local") { own.formUnion(localNames(after: index)) }
      if script.isSymbol(index, "for") { own.formUnion(localNames(after: index)) }
      guard script.isSymbol(index, "function") else { continue }
      var at = index + 1
      while at < range.upperBound, !script.isSymbol(at, "(") { at += 1 }
      own.formUnion(localNames(after: at))
    }
    return own
  }

  private mutating func checkFunction(_ range: Range<Int>) {
    let own = ownNames(range)
    var brackets: [Bool] = []
    for index in range {
      if script.isSymbol(index, "{") { brackets.append(true) }
      if script.isSymbol(index, "(") || script.isSymbol(index, "function") { brackets.append(false) }
      if script.isSymbol(index, "}") || script.isSymbol(index, ")") { _ = brackets.popLast() }
      guard let name = name(index), fileLocals.contains(name), !own.contains(name),
        !script.isSymbol(index - 1, "."), !script.isSymbol(index - 1, ":")
      else { continue }
      if script.isSymbol(index + 1, "=") {
        if brackets.last != true, !script.isSymbol(index - 1, ",") {
          warn("`\(name)` is a local of the file and is assigned", at: index, label: "assigned here")
        }
      } else if isChanged(index, in: range) {
        warn("`\(name)` is a table of the file and is changed", at: index, label: "changed here")
      }
    }
  }

  private mutating func warn(_ what: String, at index: Int, label: String) {
    warnings.append(
      Diagnostic(
        .warning, code: RuntimeCode.fileLocalAssigned.rawValue,
        "\(what) in a function: nothing survives between events",
        at: script.place(of: script.tokens[index], label: label)
      ).adding("help", "keep it in the read model, or in ctx.state"))
  }

  /// Whether the name at `index` is that of `name.field = …`, `name[key] = …` or `table.insert(name, …)`.
  private func isChanged(_ index: Int, in range: Range<Int>) -> Bool {
    if script.isSymbol(index - 1, "("), let function = name(index - 2), script.isSymbol(index - 3, "."),
      name(index - 4) == "table"
    {
      return ["insert", "remove", "sort"].contains(function)
    }
    var at = index + 1
    while at < range.upperBound {
      if script.isSymbol(at, "."), name(at + 1) != nil {
        at += 2
      } else if script.isSymbol(at, "[") {
        var depth = 0
        repeat {
          if script.isSymbol(at, "[") { depth += 1 }
          if script.isSymbol(at, "]") { depth -= 1 }
          at += 1
        } while depth > 0 && at < range.upperBound
      } else {
        break
      }
    }
    return at > index + 1 && script.isSymbol(at, "=")
  }
}

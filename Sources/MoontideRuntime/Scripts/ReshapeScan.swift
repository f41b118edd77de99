import MoontideCore

/// Finds `rename`, `split` and `drop` in what an upcaster's step can reach: its own text, what of its file it
/// names, and the modules that the file requires.
struct ReshapeScan {
  private let script: ScriptTokens
  private let chunks: FileChunks
  private let modules: [ScriptTokens]

  /// - Parameter required: the modules that the file requires, by name.
  init?(_ path: String, scripts: ScriptLibrary, required: Set<String>) {
    guard let script = scripts.tokens(path) else { return nil }
    self.script = script
    chunks = FileChunks(script)
    modules = scripts.modules(requiredBy: path, loaded: required).compactMap {
      scripts.modules[$0].flatMap { scripts.tokens($0.path) }
    }
  }

  /// - Parameter field: where the step's function is written; nil when the table is not written in the call,
  ///   and the whole file counts.
  func shape(of field: TableOutline.Field?) -> StepShape {
    var shape = StepShape()
    var splits = false
    let own = field.map { $0.valueToken..<min($0.valueToken + $0.valueCount, script.tokens.count) }
    for range in own.map({ chunks.reach(of: $0) }) ?? [script.tokens.indices] {
      look(script, range, &shape, &splits)
    }
    for module in modules { look(module, module.tokens.indices, &shape, &splits) }
    if splits {
      let known = shape.targets.count
      for range in own.map({ chunks.reach(of: $0) }) ?? [script.tokens.indices] {
        lookForParts(script, range, &shape)
      }
      for module in modules { lookForParts(module, module.tokens.indices, &shape) }
      // Parts that are written nowhere are made of the event's data.
      if shape.targets.count == known { shape.isOpen = true }
    }
    if let own, shape.reshapes { shape.isCertain = isCertain(own) }
    return shape
  }

  private func look(
    _ script: ScriptTokens, _ range: Range<Int>, _ shape: inout StepShape, _ splits: inout Bool
  ) {
    for index in range {
      guard let word = word(script, index) else { continue }
      switch word {
      case "rename": renamed(script, index, &shape)
      case "split":
        splits = true
        // Called otherwise, its parts may come from anywhere.
        if !script.isSymbol(index + 1, "{"), !script.isSymbol(index + 1, "(") { shape.isOpen = true }
      case "drop": shape.drops = true
      default: break
      }
    }
  }

  /// The global name at a token: not a field, not a key, not one that the script gives a meaning of its own.
  private func word(_ script: ScriptTokens, _ index: Int) -> String? {
    guard script.tokens[index].kind == .name else { return nil }
    let text = script.text(script.tokens[index])
    guard ["rename", "split", "drop"].contains(text), !script.isSymbol(index - 1, "."),
      !script.isSymbol(index - 1, ":"), !script.isSymbol(index + 1, "=")
    else { return nil }
    return isDeclared(text, in: script) ? nil : text
  }

  /// Whether the script has a local or a function of that name: a splitter of texts, say.
  private func isDeclared(_ name: String, in script: ScriptTokens) -> Bool {
    script.tokens.indices.contains { index in
      guard script.tokens[index].kind == .name, script.text(script.tokens[index]) == name else {
        return false
      }
      return script.isSymbol(index - 1, "local") || script.isSymbol(index - 1, "function")
    }
  }

  private func renamed(_ script: ScriptTokens, _ index: Int, _ shape: inout StepShape) {
    guard script.isSymbol(index + 1, "("), script.tokens.indices.contains(index + 2),
      let content = script.content(of: script.tokens[index + 2]), script.isSymbol(index + 3, ",")
    else {
      shape.isOpen = true
      return
    }
    let parts = arguments(script, open: index + 1)
    let said = parts.count > 2 ? parts[2] : nil
    let version = said.map { number(script, $0) } ?? 1
    shape.targets.append(
      .init(
        type: String(decoding: content, as: UTF8.self), version: version, isVersionSaid: said != nil,
        place: script.place(of: script.tokens[index + 2])))
  }

  /// `events.Type(data, { version = 2 })`, `events["Type"] { … }`, `{ type = "Type", … }`.
  private func lookForParts(_ script: ScriptTokens, _ range: Range<Int>, _ shape: inout StepShape) {
    for index in range where script.tokens[index].kind == .name {
      let isField = script.isSymbol(index - 1, ".") || script.isSymbol(index - 1, ":")
      switch script.text(script.tokens[index]) {
      case "events" where !isField: built(script, index, &shape)
      case "type" where !isField && script.isSymbol(index + 1, "="):
        let value = index + 2
        if script.tokens.indices.contains(value), let content = script.content(of: script.tokens[value]) {
          shape.targets.append(
            .init(
              type: String(decoding: content, as: UTF8.self), version: nil, isVersionSaid: true,
              place: script.place(of: script.tokens[value])))
        } else {
          shape.isOpen = true
        }
      default: break
      }
    }
  }

  private func built(_ script: ScriptTokens, _ index: Int, _ shape: inout StepShape) {
    var nameToken = index + 2
    var open = index + 3
    let type: String
    if script.isSymbol(index + 1, "."), script.tokens.indices.contains(nameToken),
      script.tokens[nameToken].kind == .name
    {
      type = script.text(script.tokens[nameToken])
    } else if script.isSymbol(index + 1, "["), script.tokens.indices.contains(nameToken),
      let content = script.content(of: script.tokens[nameToken]), script.isSymbol(index + 3, "]")
    {
      type = String(decoding: content, as: UTF8.self)
      open = index + 4
    } else {
      shape.isOpen = true
      return
    }
    var version: UInt32? = 1
    var isSaid = false
    if script.isSymbol(open, "(") {
      let parts = arguments(script, open: open)
      if parts.count > 1 {
        // An envelope that is not written here may say any version.
        version = script.isSymbol(parts[1].lowerBound, "{") ? 1 : nil
        isSaid = version == nil
        for at in parts[1] where script.isSymbol(at + 1, "=") && script.names(script.tokens[at], "version") {
          version = number(script, at + 2..<at + 3)
          isSaid = true
        }
      }
    } else if !script.isSymbol(open, "{") {
      version = nil
      isSaid = true
      nameToken = index
    }
    shape.targets.append(
      .init(
        type: type, version: version, isVersionSaid: isSaid,
        place: script.place(of: script.tokens[nameToken])))
  }

  /// The arguments of a call whose bracket opens at `open`.
  private func arguments(_ script: ScriptTokens, open: Int) -> [Range<Int>] {
    var depth = 0
    var parts: [Range<Int>] = []
    var start = open + 1
    for index in open..<script.tokens.count {
      if depth == 1, script.isSymbol(index, ",") {
        parts.append(start..<index)
        start = index + 1
      }
      depth += FileChunks.change(script, index)
      if depth == 0 {
        if index > start { parts.append(start..<index) }
        break
      }
    }
    return parts
  }

  /// The version that a single number is.
  private func number(_ script: ScriptTokens, _ range: Range<Int>) -> UInt32? {
    guard range.count == 1, script.tokens.indices.contains(range.lowerBound) else { return nil }
    return UInt32(script.text(script.tokens[range.lowerBound]))
  }

  /// Whether each `return` of the one function there is `return rename(…)` and its like, and nothing else.
  private func isCertain(_ range: Range<Int>) -> Bool {
    var functions = 0
    var returns = 0
    for index in range {
      if script.isSymbol(index, "function") { functions += 1 }
      guard script.isSymbol(index, "return") else { continue }
      returns += 1
      guard script.tokens.indices.contains(index + 2), word(script, index + 1) != nil,
        let end = endOfCall(index + 2),
        script.isSymbol(end, "end") || script.isSymbol(end, ";")
          || script.isSymbol(end, "else") || script.isSymbol(end, "elseif")
      else { return false }
    }
    return functions == 1 && returns > 0
  }

  /// Behind the bracket that closes the one at `open`.
  private func endOfCall(_ open: Int) -> Int? {
    guard script.isSymbol(open, "(") || script.isSymbol(open, "{") else { return nil }
    var depth = 0
    for index in open..<script.tokens.count {
      depth += FileChunks.change(script, index)
      if depth == 0 { return index + 1 }
    }
    return nil
  }
}

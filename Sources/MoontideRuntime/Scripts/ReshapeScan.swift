import MoontideCore

/// Finds `rename`, `split` and `drop` in what an upcaster's step can reach: its own text, and the functions
/// of its file that it names. It errs to one side: whatever is not a plain call that says what it makes
/// leaves the step open, and so does a name that may stand for anything, when the file or one of its modules
/// has one of these words outside of the steps themselves.
struct ReshapeScan {
  private let script: ScriptTokens
  private let chunks: FileChunks
  /// Whether what a step reaches by unclear names may rename, split or drop.
  private let isUnclear: Bool
  /// Whether any name may stand for anything.
  private let hasDoors: Bool

  private static let words: Set = ["rename", "split", "drop"]

  /// - Parameter required: the modules that the file requires, by name.
  init?(_ path: String, scripts: ScriptLibrary, required: Set<String>) {
    guard let script = scripts.tokens(path) else { return nil }
    self.script = script
    let chunks = FileChunks(script)
    self.chunks = chunks
    hasDoors = script.tokens.indices.contains { ReshapeScan.isDoor(chunks, $0) }
    let steps = ReshapeScan.steps(script, chunks)
    let modules = scripts.modules(requiredBy: path, loaded: required).compactMap {
      scripts.modules[$0].flatMap { scripts.tokens($0.path) }
    }
    isUnclear =
      script.tokens.indices.contains { index in
        ReshapeScan.mentions(chunks, index) && !steps.contains { $0.contains(index) }
      }
      || modules.contains { module in
        let chunks = FileChunks(module)
        return module.tokens.indices.contains { ReshapeScan.mentions(chunks, $0) }
      }
  }

  /// The functions that are written as steps in upcasters: nothing else can call them.
  private static func steps(_ script: ScriptTokens, _ chunks: FileChunks) -> [Range<Int>] {
    guard isConstructor(chunks) else { return [] }
    return script.tokens.indices.flatMap { index -> [Range<Int>] in
      guard chunks.variable(index) == "upcaster" else { return [] }
      let next = script.isSymbol(index + 1, "(") ? index + 2 : index + 1
      guard script.tokens.indices.contains(next), let name = script.content(of: script.tokens[next]),
        let outline = TableOutline(
          kind: "upcaster", name: String(decoding: name, as: UTF8.self), line: script.tokens[index].line,
          in: script)
      else { return [] }
      return outline.fields.flatMap { [$0] + $0.children }.map {
        $0.valueToken..<$0.valueToken + $0.valueCount
      }
      .filter { isFunction($0, script, chunks) }
    }
  }

  /// Whether `upcaster` is what it is everywhere.
  private static func isConstructor(_ chunks: FileChunks) -> Bool {
    !chunks.given.contains("upcaster") && chunks.functions["upcaster"] == nil
  }

  /// Whether a value is one function that is written there, and nothing else.
  private static func isFunction(_ value: Range<Int>, _ script: ScriptTokens, _ chunks: FileChunks) -> Bool {
    script.isSymbol(value.lowerBound, "function") && chunks.end(of: value.lowerBound) == value.upperBound
  }

  /// One of the words at a token, unless the script has a function of its own by that name from there on.
  private static func word(_ chunks: FileChunks, _ index: Int) -> String? {
    guard let name = chunks.variable(index), words.contains(name) else { return nil }
    if let own = chunks.functions[name], own.lowerBound <= index { return nil }
    return name
  }

  private static func mentions(_ chunks: FileChunks, _ index: Int) -> Bool {
    word(chunks, index) != nil || isDoor(chunks, index)
  }

  /// Whether a token is the table of all names.
  private static func isDoor(_ chunks: FileChunks, _ index: Int) -> Bool {
    chunks.variable(index) == "_G" || chunks.variable(index) == "_ENV"
  }

  /// - Parameter field: where the step's function is written; nil when that is not plain to see.
  func shape(of field: TableOutline.Field?) -> StepShape {
    var shape = StepShape()
    // In a function, or with a constructor of its own, more than the file's names is within reach.
    guard let field, !hasDoors, ReshapeScan.isConstructor(chunks), !chunks.isInFunction(field.keyToken) else {
      shape.isOpen = script.tokens.indices.contains { ReshapeScan.mentions(chunks, $0) } || isUnclear
      return shape
    }
    let own = field.valueToken..<min(field.valueToken + field.valueCount, script.tokens.count)
    let (ranges, isAll) = chunks.reach(of: own)
    shape.isOpen = !isAll && isUnclear
    var isPlain = chunks.given.isDisjoint(with: ReshapeScan.words)
    for range in ranges { look(range, &shape, &isPlain) }
    if isPlain, shape.reshapes, ReshapeScan.isFunction(own, script, chunks) {
      shape.isCertain = isCertain(own)
    }
    return shape
  }

  /// - Parameter isPlain: becomes false where a word may have got another meaning.
  private func look(_ range: Range<Int>, _ shape: inout StepShape, _ isPlain: inout Bool) {
    for index in range where ReshapeScan.mentions(chunks, index) {
      let isCall = script.isSymbol(index + 1, "(") && !script.isSymbol(index - 1, "function")
      switch ReshapeScan.word(chunks, index) {
      case "rename" where isCall: renamed(index + 1, &shape)
      case "split" where isCall || script.isSymbol(index + 1, "{"): splits(index + 1, range, &shape)
      case "drop" where isCall: shape.drops = true
      default:
        shape.isOpen = true
        isPlain = false
      }
    }
  }

  // MARK: What is made

  /// `rename("Type", data, version)`, whose bracket is at `open`.
  private func renamed(_ open: Int, _ shape: inout StepShape) {
    let said = parts(open)
    guard said.count > 1, let type = text(said[0]) else {
      shape.isOpen = true
      return
    }
    // A call at the end may give the version too.
    let version = said.count > 2 ? number(said[2]) : isSingle(said[1]) ? 1 : nil
    shape.targets.append(
      .init(
        type: type, version: version, isVersionSaid: said.count > 2 || version == nil,
        place: script.place(of: script.tokens[open + 1])))
  }

  /// `split { events.Type(data, { version = 2 }), events["Type"] { … }, { type = "Type", … } }`, whose first
  /// bracket is at `open`, in `range`; or `split(NAME)` of a local list.
  private func splits(_ open: Int, _ range: Range<Int>, _ shape: inout StepShape) {
    let isKnown = range.allSatisfy { chunks.variable($0) != "events" || isFamily($0) }
    guard isKnown, !chunks.given.contains("events"), chunks.functions["events"] == nil,
      let list = listed(open, range)
    else {
      shape.isOpen = true
      return
    }
    for part in list {
      if let target = built(part) ?? plain(part) {
        shape.targets.append(target)
      } else {
        shape.isOpen = true
      }
    }
  }

  /// What `split` is given: a list that is written there, or a local one.
  private func listed(_ open: Int, _ range: Range<Int>) -> [Range<Int>]? {
    guard script.isSymbol(open, "(") else { return parts(open) }
    let said = parts(open)
    guard said.count == 1 else { return nil }
    if isTable(said[0]) { return parts(said[0].lowerBound) }
    guard said[0].count == 1, let name = chunks.variable(said[0].lowerBound) else { return nil }
    var found: [Range<Int>] = []
    var lists = 0
    for index in range where chunks.variable(index) == name {
      if script.isSymbol(index - 1, "local"), script.isSymbol(index + 1, "="),
        script.isSymbol(index + 2, "{"), let end = chunks.end(of: index + 2), isStatement(end)
      {
        lists += 1
        found += parts(index + 2)
      } else if let part = added(index) {
        found.append(part)
      } else if !script.isSymbol(index - 1, "#"), index != said[0].lowerBound {
        return nil
      }
    }
    return lists == 1 ? found : nil
  }

  /// What is put into the list of that name: `NAME[…] = events.Type …`, `table.insert(NAME, events.Type …)`.
  private func added(_ index: Int) -> Range<Int>? {
    if script.isSymbol(index - 1, "("), script.isSymbol(index + 1, ","),
      chunks.variable(index - 4) == "table",
      script.isSymbol(index - 3, "."), script.text(script.tokens[index - 2]) == "insert",
      !chunks.given.contains("table"), chunks.functions["table"] == nil
    {
      let said = parts(index - 1)
      return said.count == 2 ? said[1] : nil
    }
    guard script.isSymbol(index + 1, "["), !script.isSymbol(index - 1, ","),
      let value = chunks.end(of: index + 1).map({ $0 + 1 }), script.isSymbol(value - 1, "="),
      let open = (value..<script.tokens.count).first(where: { isBracket($0) }),
      // Of `events["Type"]` the next one.
      let call = script.isSymbol(open, "[") ? chunks.end(of: open) : open, isBracket(call),
      let end = chunks.end(of: call), isStatement(end)
    else { return nil }
    return value..<end
  }

  private func isBracket(_ index: Int) -> Bool {
    ["(", "{", "["].contains { script.isSymbol(index, $0) }
  }

  /// Whether what comes there cannot go on with the expression before it.
  private func isStatement(_ index: Int) -> Bool {
    guard script.tokens.indices.contains(index) else { return false }
    if script.tokens[index].kind == .name { return true }
    let words = [
      "end", "else", "elseif", "local", "return", "if", "for", "while", "repeat", "until", "do", ";",
    ]
    return words.contains { script.isSymbol(index, $0) }
  }

  /// `events.` and `events[`, which is no other meaning of that name.
  private func isFamily(_ index: Int) -> Bool {
    script.isSymbol(index + 1, ".") || script.isSymbol(index + 1, "[")
  }

  /// `events.Type(…)` and its like.
  private func built(_ part: Range<Int>) -> StepShape.Target? {
    guard chunks.variable(part.lowerBound) == "events" else { return nil }
    let name = part.lowerBound + 2
    guard part.contains(name) else { return nil }
    let isIndexed = script.isSymbol(name - 1, "[")
    let type = isIndexed ? text(name..<name + 1) : script.text(script.tokens[name])
    guard let type, !isIndexed || script.isSymbol(name + 1, "]") else { return nil }
    let open = isIndexed ? name + 2 : name + 1
    guard script.isSymbol(open, "(") || script.isSymbol(open, "{"), chunks.end(of: open) == part.upperBound
    else { return nil }
    let place = script.place(of: script.tokens[name])
    guard script.isSymbol(open, "("), let data = parts(open).first else {
      return .init(type: type, version: 1, isVersionSaid: false, place: place)
    }
    guard parts(open).count > 1 else {
      let version: UInt32? = isSingle(data) ? 1 : nil
      return .init(type: type, version: version, isVersionSaid: version == nil, place: place)
    }
    // An envelope that is not written here may say any version.
    guard let fields = fields(parts(open)[1]) else {
      return .init(type: type, version: nil, isVersionSaid: true, place: place)
    }
    let versions = fields.filter { $0.name == "version" }
    return .init(
      type: type, version: versions.count > 1 ? nil : versions.isEmpty ? 1 : number(versions[0].value),
      isVersionSaid: !versions.isEmpty, place: place)
  }

  /// `{ type = "Type", … }`
  private func plain(_ part: Range<Int>) -> StepShape.Target? {
    guard let types = fields(part)?.filter({ $0.name == "type" }), types.count == 1,
      let type = text(types[0].value)
    else { return nil }
    return .init(
      type: type, version: nil, isVersionSaid: true,
      place: script.place(of: script.tokens[types[0].value.lowerBound]))
  }

  // MARK: Values

  /// What lies between commas, in the bracket at `open`.
  private func parts(_ open: Int) -> [Range<Int>] {
    var depth = 0
    var parts: [Range<Int>] = []
    var start = open + 1
    for index in open..<script.tokens.count {
      if depth == 1, script.isSymbol(index, ",") || script.isSymbol(index, ";") {
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

  private func isTable(_ range: Range<Int>) -> Bool {
    script.isSymbol(range.lowerBound, "{") && chunks.end(of: range.lowerBound) == range.upperBound
  }

  /// The fields of a table that is written there; nil when it is more than names and values.
  private func fields(_ range: Range<Int>) -> [(name: String, value: Range<Int>)]? {
    guard isTable(range) else { return nil }
    var fields: [(name: String, value: Range<Int>)] = []
    for part in parts(range.lowerBound) {
      guard part.count > 2, script.tokens[part.lowerBound].kind == .name,
        script.isSymbol(part.lowerBound + 1, "=")
      else { return nil }
      fields.append((script.text(script.tokens[part.lowerBound]), part.dropFirst(2)))
    }
    return fields
  }

  /// The text that a single string is.
  private func text(_ range: Range<Int>) -> String? {
    guard range.count == 1, script.tokens.indices.contains(range.lowerBound),
      let content = script.content(of: script.tokens[range.lowerBound])
    else { return nil }
    return String(decoding: content, as: UTF8.self)
  }

  /// The version that a single number is.
  private func number(_ range: Range<Int>) -> UInt32? {
    range.count == 1 ? UInt32(script.text(script.tokens[range.lowerBound])) : nil
  }

  /// Whether an expression is one value: a call, and `...`, can be several.
  private func isSingle(_ range: Range<Int>) -> Bool {
    if range.count == 1 { return !script.isSymbol(range.lowerBound, "...") }
    guard let last = range.last else { return false }
    if script.isSymbol(last, "}") { return isTable(range) }
    return !script.isSymbol(last, ")") && !script.isSymbol(last, "...") && script.tokens[last].kind != .string
  }

  /// Whether each `return` of the one function there is `return rename(…)` and its like, and nothing else.
  private func isCertain(_ range: Range<Int>) -> Bool {
    var functions = 0
    var returns = 0
    for index in range {
      if script.isSymbol(index, "function") { functions += 1 }
      guard script.isSymbol(index, "return") else { continue }
      returns += 1
      guard script.tokens.indices.contains(index + 2), ReshapeScan.word(chunks, index + 1) != nil,
        script.isSymbol(index + 2, "(") || script.isSymbol(index + 2, "{"),
        let end = chunks.end(of: index + 2),
        script.isSymbol(end, "end") || script.isSymbol(end, ";")
          || script.isSymbol(end, "else") || script.isSymbol(end, "elseif")
      else { return false }
    }
    return functions == 1 && returns > 0
  }
}

import MoontideCore
import MoontideLua

/// Reads projections and consumers out of checked definitions.
struct HandlerReader {
  var reader: DefinitionReader
  private let defaults: HandlerDefaults

  init(_ reader: DefinitionReader, defaults: HandlerDefaults) {
    self.reader = reader
    self.defaults = defaults
  }

  private var body: LuaTable { reader.definition.body }

  private static let projectionKeys = ["schema", "on", "topics", "exhausted", "was", "wants"]
  private static let consumerKeys = [
    "on", "on_result", "topics", "lanes", "retry", "exhausted", "from", "was", "wants",
  ]

  /// The projection, or nil when something is wrong with it; `reader` then says what.
  mutating func projection(check: SchemaCheck) -> HandlerDefinition? {
    reader.checkKeys(
      of: body, allowed: Self.projectionKeys,
      elsewhere: [
        "lanes": "is for consumers: a projection sees events in position order, in one lane",
        "retry": "is for consumers: a projection's failing event is set aside at once",
        "from": "is for consumers: a projection is the fold of the whole log",
        "on_result": "is for consumers: a projection has no effects",
      ])
    var definition = shared(.projection)
    if let text = reader.word(body, ["exhausted"], of: ["halt"]), let policy = ExhaustedPolicy(rawValue: text)
    {
      definition.exhausted = policy
    }
    if body["schema"] == nil, reader.misspelt.contains("schema") {
      // Told already, where it is misspelt.
    } else if body["schema"] == nil {
      reader.report(
        .missingKey, "\(reader.title) needs a `schema`: the SQL that makes its tables", at: reader.place,
        help: "schema = [[ create table orders(order_id text primary key, status text); ]]")
    } else if let schema = reader.text(body, ["schema"]) {
      definition.schema = schema
      switch check(schema) {
      case .success(let tables): definition.tables = tables
      case .failure(let fault):
        reader.report(
          .badSchema, "\(reader.title): \(fault.message)", at: schemaPlace(fault),
          help: fault.suggestion.map { "did you mean `\($0)`?" })
      }
    }
    return reader.hasErrors ? nil : definition
  }

  /// The consumer, or nil when something is wrong with it.
  mutating func consumer() -> HandlerDefinition? {
    reader.checkKeys(
      of: body, allowed: Self.consumerKeys,
      elsewhere: ["schema": "is for projections: a consumer keeps `ctx.state`"])
    var definition = shared(.consumer)
    definition.lanes = reader.integer(body, ["lanes"], in: 1...Limits.lanesMax) ?? 1
    readReacting(into: &definition)
    return reader.hasErrors ? nil : definition
  }

  /// What a saga shares with a consumer; its subscriptions are not known yet.
  mutating func common(_ kind: HandlerKind) -> HandlerDefinition {
    var definition = shared(kind)
    readReacting(into: &definition)
    return definition
  }

  /// What goes for handlers that try again.
  private mutating func readReacting(into definition: inout HandlerDefinition) {
    definition.retry = reader.retryPolicy(body, default: defaults.retry)
    switch body["on_result"] {
    case nil: break
    case .function: definition.takesResults = true
    case let other?: reader.wrongKind(other, ["on_result"], wanted: "a function(result, ctx)")
    }
    let words = ExhaustedPolicy.allCases.map(\.rawValue)
    if let text = reader.word(body, ["exhausted"], of: words), let policy = ExhaustedPolicy(rawValue: text) {
      definition.exhausted = policy
    }
    if let text = reader.text(body, ["from"]) {
      definition.start = StartPoint(text)
      if definition.start == nil {
        reader.report(
          .badValue,
          "\(reader.title): `from` is \"start\", \"now\" or a time such as "
            + "\"2026-11-17T09:00:00Z\", not \"\(text)\"", at: reader.valuePlace(["from"]),
          help: Suggestion.nearest(to: text, among: ["start", "now"]).map { "did you mean \"\($0)\"?" })
      }
    }
  }

  private mutating func shared(_ kind: HandlerKind) -> HandlerDefinition {
    reader.checkName(reader.definition.name, isProjection: kind == .projection, at: reader.place)
    let was = reader.text(body, ["was"])
    if let was {
      reader.checkName(was, isProjection: kind == .projection, at: reader.valuePlace(["was"]))
      if was == reader.definition.name {
        reader.report(
          .badValue, "\(reader.title): `was` is its old name, not the one it has",
          at: reader.valuePlace(["was"]))
      }
    }
    return HandlerDefinition(
      kind: kind, name: reader.definition.name, place: reader.place,
      subscriptions: kind == .saga ? [] : patterns("on", isNeeded: true),
      topics: topics(), retry: defaults.retry, was: was, wants: reader.wantedVersions(body))
  }

  /// The keys of a table of functions by event type.
  mutating func patterns(_ name: String, isNeeded: Bool) -> [String] {
    guard let value = body[name] else {
      if !isNeeded || reader.misspelt.contains(name) { return [] }
      reader.report(
        .missingKey, "\(reader.title) needs `\(name)`: a function for each event type that it handles",
        at: reader.place)
      return []
    }
    guard case .table(let table) = value else {
      reader.wrongKind(value, [name], wanted: "a table of functions by event type")
      return []
    }
    if table.entries.isEmpty {
      reader.report(
        .missingKey, "\(reader.title): `\(name)` is empty, so it would handle nothing",
        at: reader.keyPlace([name])
      )
    }
    var patterns: [String] = []
    for entry in table.entries {
      let path = [name, DefinitionReader.pathKey(entry.key)]
      guard let pattern = entry.key.text else {
        reader.report(
          .wrongKind,
          "\(reader.title): the keys of `\(name)` are event types, not "
            + DefinitionReader.kindName(entry.key), at: reader.keyPlace(path))
        continue
      }
      let star = pattern.firstIndex(of: "*")
      if pattern.isEmpty || (star != nil && star != pattern.index(before: pattern.endIndex)) {
        reader.report(
          .badValue,
          "\(reader.title): `\(name)` is keyed by a type, a beginning such as [\"Order*\"], or [\"*\"], "
            + "not \"\(pattern)\"", at: reader.keyPlace(path))
      } else if case .function = entry.value {
        patterns.append(pattern)
      } else {
        reader.wrongKind(entry.value, path, wanted: "a function")
      }
    }
    return patterns
  }

  private mutating func topics() -> Set<TopicName>? {
    guard let value = body["topics"] else { return nil }
    guard case .table(let table) = value, !table.entries.isEmpty else {
      reader.wrongKind(value, ["topics"], wanted: "a list of topic names with at least one")
      return nil
    }
    var names: Set<TopicName> = []
    for entry in table.entries {
      let path = ["topics", DefinitionReader.pathKey(entry.key)]
      guard case .integer = entry.key, let text = entry.value.text else {
        reader.wrongKind(entry.value, path, wanted: "a topic name in a list")
        continue
      }
      if let name = TopicName(text), !name.isSystem {
        names.insert(name)
      } else {
        reader.report(
          .badValue,
          "\(reader.title): a topic name has 1 to \(Limits.topicNameBytesMax) of A-Z a-z 0-9 . _ - "
            + "and does not begin with _, unlike \"\(text)\"", at: reader.valuePlace(path))
      }
    }
    return names
  }

  /// The place in the script where the schema is wrong.
  private func schemaPlace(_ fault: SchemaRefusal) -> SourcePlace {
    guard let script = reader.script, let field = reader.outline?.field(["schema"]), field.valueCount == 1,
      let offset = fault.byteOffset,
      let byte = script.byte(ofContent: offset, in: script.tokens[field.valueToken])
    else { return reader.valuePlace(["schema"]) }
    let line = script.line(ofByte: byte)
    return SourcePlace(
      file: script.source.path, line: line, column: script.column(ofByte: byte),
      width: fault.byteCount.map { max(1, $0) } ?? Self.wordWidth(script.source.text, at: byte),
      excerpt: script.lineText(line))
  }

  /// The length of the word that begins at the byte, at least 1.
  private static func wordWidth(_ text: [UInt8], at start: Int) -> Int {
    let rest = text[start...].prefix {
      $0 == UInt8(ascii: "_") || ($0 | 0x20) &- UInt8(ascii: "a") < 26 || $0 &- UInt8(ascii: "0") < 10
    }
    return max(1, rest.count)
  }
}

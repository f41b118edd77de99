import MoontideCore
import MoontideLua

/// Reads deciders out of checked definitions.
struct DeciderReader {
  private(set) var reader: DefinitionReader

  init(_ reader: DefinitionReader) { self.reader = reader }

  private var body: LuaTable { reader.definition.body }

  private static let keys = ["topic", "key", "initial", "decide", "evolve", "snapshot_every", "was"]

  /// The decider, or nil when something is wrong with it; `reader` then says what.
  mutating func decider() -> DeciderDefinition? {
    reader.checkKeys(
      of: body, allowed: Self.keys,
      elsewhere: [
        "on": "is for consumers and projections: a decider has `decide` for commands and `evolve` for events",
        "topics": "is for consumers and projections: a decider writes to one `topic`",
        "schema": "is for projections: a decider's state is what `evolve` returns",
        "lanes": "is for consumers: a decider decides one command after another",
        "from": "is for consumers: a decider's state is the fold of all events of its stream",
        "wants": "is for projections and consumers: a decider evolves by the newest versions",
        "retry": "is for consumers: a command has one answer, and who sends it may send another",
        "exhausted": "is for projections and consumers: a decide that fails answers `failed`",
      ])
    reader.checkName(reader.definition.name, at: reader.place)
    var definition = DeciderDefinition(
      name: reader.definition.name, place: reader.place,
      commands: functions("decide", wanted: "a command type"),
      evolves: functions("evolve", wanted: "an event type"))
    readStream(into: &definition)
    if let value = body["initial"] {
      if case .function = value {} else { reader.wrongKind(value, ["initial"], wanted: "a function") }
    }
    definition.snapshotEvery = reader.integer(body, ["snapshot_every"], in: 1...Limits.snapshotEveryMax)
    definition.was = reader.text(body, ["was"])
    for pattern in definition.commands where pattern.contains("*") {
      reader.report(
        .badValue, "\(reader.title): `decide` is keyed by the exact type of a command, not \"\(pattern)\"",
        at: reader.keyPlace(["decide", pattern]))
    }
    return reader.hasErrors ? nil : definition
  }

  /// Says that another decider takes the command.
  mutating func refuse(_ command: String, takenBy other: DeciderDefinition) {
    reader.report(
      .duplicate,
      "\(reader.title): the command \(command) is decided by \"\(other.name)\" already "
        + "(\(other.place.file):\(other.place.line))", at: reader.keyPlace(["decide", command]),
      help: "a command has one decider; name one of the two commands anew")
  }

  private mutating func readStream(into definition: inout DeciderDefinition) {
    if let text = reader.text(body, ["topic"]) {
      if let topic = TopicName(text), !topic.isSystem {
        definition.topic = topic
      } else {
        reader.report(
          .badValue,
          "\(reader.title): a topic name has 1 to \(Limits.topicNameBytesMax) of A-Z a-z 0-9 . _ - and does "
            + "not begin with _, unlike \"\(text)\"", at: reader.valuePlace(["topic"]))
      }
    }
    definition.keyField = reader.text(body, ["key"])
    if definition.keyField?.isEmpty == true {
      reader.report(
        .badValue, "\(reader.title): `key` names the field of a command's data that holds the stream's key",
        at: reader.valuePlace(["key"]))
    }
  }

  /// The keys of a table of functions.
  private mutating func functions(_ name: String, wanted: String) -> [String] {
    guard let value = body[name] else {
      if !reader.misspelt.contains(name) {
        reader.report(
          .missingKey,
          "\(reader.title) needs `\(name)`: a function for each \(wanted.dropFirst(2).drop { $0 == " " })",
          at: reader.place)
      }
      return []
    }
    guard case .table(let table) = value else {
      reader.wrongKind(value, [name], wanted: "a table of functions by type")
      return []
    }
    if table.entries.isEmpty {
      reader.report(
        .missingKey, "\(reader.title): `\(name)` has no function: it needs one for \(wanted), at least",
        at: reader.keyPlace([name]))
    }
    var types: [String] = []
    for entry in table.entries {
      let path = [name, DefinitionReader.pathKey(entry.key)]
      guard let type = entry.key.text, !type.isEmpty, type.utf8.count <= Limits.typeBytesMax else {
        reader.report(
          .wrongKind,
          "\(reader.title): a key of `\(name)` is \(wanted), not "
            + DefinitionReader.kindName(entry.key), at: reader.keyPlace(path))
        continue
      }
      let star = type.firstIndex(of: "*")
      if star != nil, star != type.index(before: type.endIndex) {
        reader.report(
          .badValue, "\(reader.title): a `*` stands at the end of a type only, unlike \"\(type)\"",
          at: reader.keyPlace(path))
      } else if case .function = entry.value {
        types.append(type)
      } else {
        reader.wrongKind(entry.value, path, wanted: "a function")
      }
    }
    return types
  }
}

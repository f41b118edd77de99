public import MoontideCore
public import MoontideLua

/// What `moontide.lua` says; everything has a default.
public struct ProjectSettings: Sendable, Hashable {
  public var defaults = HandlerDefaults()
  /// Partitions of topics that it names.
  public var partitions: [TopicName: UInt16] = [:]
  public var flush = FlushPolicy.commit

  public init() {}

  public enum FlushPolicy: Sendable, Hashable {
    /// Every acknowledged append is on disk.
    case commit
    /// A flush at the latest after this time; a power cut may take what was acknowledged since.
    case every(Duration)
  }

  /// Runs the file in the sandbox and reads its table. Problems are located in it; what is wrong keeps its
  /// default.
  public static func load(_ script: ScriptSource) -> (settings: ProjectSettings, problems: [Diagnostic]) {
    let library = ScriptLibrary(handlers: [script], modules: [:])
    let value: LuaValue
    do throws(LuaFault) {
      value = try LuaState(budget: LuaBudget(), modules: [:]).evaluate(script)
    } catch {
      return (ProjectSettings(), [FaultReport.loading(error, path: script.path, scripts: library)])
    }
    guard case .table(let table) = value else {
      let problem = Diagnostic(
        code: RuntimeCode.wrongKind.rawValue, "moontide.lua returns a table of settings",
        at: library.place(path: script.path, line: 1),
        details: [.init("help", "return { budget = { time = \"2s\" } }")])
      return (ProjectSettings(), [problem])
    }
    var reader = SettingsReader(table, script: library.tokens(script.path), path: script.path)
    return (reader.settings(), reader.problems)
  }
}

/// Reads the settings key by key.
private struct SettingsReader {
  private var reader: DefinitionReader
  private let table: LuaTable

  init(_ table: LuaTable, script: ScriptTokens?, path: String) {
    self.table = table
    reader = DefinitionReader(
      LuaDefinition(kind: "settings", name: "moontide.lua", path: path, line: 1, body: table), script: script,
      outline: script.flatMap { TableOutline(settings: $0) })
  }

  var problems: [Diagnostic] { reader.diagnostics }

  mutating func settings() -> ProjectSettings {
    reader.checkKeys(
      of: table, allowed: ["budget", "retry", "topics", "flush", "causation_depth", "env", "programs"])
    var settings = ProjectSettings()
    if let budget = subtable("budget") { settings.defaults.budget = readBudget(budget) }
    settings.defaults.retry = reader.retryPolicy(table, default: RetryPolicy())
    if let topics = subtable("topics") { settings.partitions = readTopics(topics) }
    if let text = reader.text(table, ["flush"]), text != "commit" {
      if let duration = reader.duration(table, ["flush"]) { settings.flush = .every(duration) }
    }
    if let depth = reader.integer(table, ["causation_depth"], in: 1...Limits.causationDepthMax) {
      settings.defaults.causationDepth = depth
    }
    if let names = subtable("env") { settings.defaults.effects.environment = reader.environment(names) }
    if let programs = subtable("programs") { settings.defaults.effects.programs = reader.programs(programs) }
    return settings
  }

  private mutating func subtable(_ key: String) -> LuaTable? {
    guard let value = table[key] else { return nil }
    if case .table(let table) = value { return table }
    reader.wrongKind(value, [key], wanted: "a table")
    return nil
  }

  private mutating func readBudget(_ table: LuaTable) -> LuaBudget {
    reader.checkKeys(of: table, at: ["budget"], allowed: ["instructions", "time", "memory"])
    var budget = LuaBudget()
    if let count = reader.integer(table, ["budget", "instructions"], in: 1_000...1_000_000_000_000) {
      budget.instructions = UInt64(count)
    }
    if let time = reader.duration(table, ["budget", "time"]) { budget.time = time }
    if let bytes = byteCount(table) { budget.memoryBytes = bytes }
    return budget
  }

  /// `"64MiB"`, or a number of bytes.
  private mutating func byteCount(_ table: LuaTable) -> Int? {
    guard let value = table["memory"] else { return nil }
    let path = ["budget", "memory"]
    if case .integer = value { return reader.integer(table, path, in: 1 << 20...1 << 36) }
    if let text = value.text {
      let digits = text.prefix { $0.isASCII && $0.isNumber }
      let units = ["KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30]
      if let number = Int(digits), let unit = units[String(text.dropFirst(digits.count))],
        (1 << 20...1 << 36).contains(number * unit)
      {
        return number * unit
      }
    }
    reader.report(
      .badValue, "\(reader.title): `budget.memory` is a size from 1MiB to 64GiB such as \"64MiB\"",
      at: reader.valuePlace(path))
    return nil
  }

  private mutating func readTopics(_ table: LuaTable) -> [TopicName: UInt16] {
    var partitions: [TopicName: UInt16] = [:]
    for entry in table.entries {
      let key = DefinitionReader.pathKey(entry.key)
      guard let text = entry.key.text, let name = TopicName(text), !name.isSystem else {
        reader.report(
          .badName,
          "\(reader.title): a topic has 1 to 64 of A-Z a-z 0-9 . _ - and does not begin with _, "
            + "unlike \(key)",
          at: reader.keyPlace(["topics", key]))
        continue
      }
      guard case .table(let topic) = entry.value else {
        reader.wrongKind(entry.value, ["topics", key], wanted: "a table such as { partitions = 8 }")
        continue
      }
      reader.checkKeys(of: topic, at: ["topics", key], allowed: ["partitions"])
      if let count = reader.integer(topic, ["topics", key, "partitions"], in: 1...Int(Limits.partitionsMax)) {
        partitions[name] = UInt16(count)
      }
    }
    return partitions
  }
}

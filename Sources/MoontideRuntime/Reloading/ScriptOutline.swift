public import MoontideCore

/// What a set of scripts defines, by version: what two sets are compared by. Made of a catalog, or read out
/// of the log.
public struct ScriptOutline: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    case settings, upcaster, projection, consumer, saga, decider
  }

  /// A definition. No two have the same kind and name.
  public struct Entry: Sendable, Hashable {
    public var kind: Kind
    public var name: String
    /// 12 hexadecimal digits of its content.
    public var version: String
    /// The name that it says it had before.
    public var was: String?
    /// The scripts that its version is made of, by path, sorted.
    public var files: [String]

    public init(kind: Kind, name: String, version: String, was: String? = nil, files: [String] = []) {
      self.kind = kind
      self.name = name
      self.version = version
      self.was = was
      self.files = files
    }
  }

  /// What handlers see of the project beside their own scripts. Whoever runs with another one of these runs
  /// otherwise, though nothing of his version has changed.
  public struct Shared: Sendable, Hashable {
    public var defaults: HandlerDefaults
    /// Commands, with the topic and the key field by which they come to their decider.
    var commands: [String: String]
    /// The versions that new events get, where upcasters lead beyond 1.
    var newest: [String: UInt32]
  }

  /// By kind and name.
  public private(set) var entries: [Entry]
  /// Nil of an outline out of the log.
  public var shared: Shared?

  public init(_ entries: [Entry], shared: Shared? = nil) {
    self.entries = entries.sorted { ($0.kind.rawValue, $0.name) < ($1.kind.rawValue, $1.name) }
    self.shared = shared
  }

  /// - Parameters:
  ///   - settings: the file of the settings, if there is one.
  ///   - only: handlers by name; nil: all. Upcasters and settings are always among them.
  public init(_ catalog: ProjectCatalog, settings: ScriptTokens? = nil, only: Set<String>? = nil) {
    var entries: [Entry] = []
    for handler in catalog.definitions where only?.contains(handler.name) ?? true {
      let needed = catalog.upcasters.values.filter { handler.interest.needsUpcaster(of: $0.type) }
      entries.append(
        Entry(
          kind: Kind(handler.kind), name: handler.name, version: handler.scriptVersion, was: handler.was,
          files: catalog.files([handler.path] + needed.map(\.path))))
    }
    for decider in catalog.deciders where only?.contains(decider.name) ?? true {
      let interest = decider.interest(in: catalog.upcasters)
      let needed = catalog.upcasters.values.filter { interest.needsUpcaster(of: $0.type) }
      entries.append(
        Entry(
          kind: .decider, name: decider.name, version: decider.scriptVersion, was: decider.was,
          files: catalog.files([decider.path] + needed.map(\.path))))
    }
    for upcaster in catalog.upcasters.values {
      entries.append(
        Entry(
          kind: .upcaster, name: upcaster.type, version: ScriptOutline.short(upcaster.version),
          files: catalog.files([upcaster.path])))
    }
    if let settings {
      entries.append(
        Entry(
          kind: .settings, name: settings.source.path, version: ScriptOutline.short(settings.digest),
          files: [settings.source.path]))
    }
    self.init(entries, shared: Shared(catalog))
  }

  public subscript(_ kind: Kind, _ name: String) -> Entry? {
    entries.first { $0.kind == kind && $0.name == name }
  }

  private static func short(_ version: Digest) -> String { String(version.description.prefix(12)) }
}

extension ScriptOutline.Kind {
  public init(_ kind: HandlerKind) {
    switch kind {
    case .projection: self = .projection
    case .consumer: self = .consumer
    case .upcaster: self = .upcaster
    case .decider: self = .decider
    case .saga: self = .saga
    }
  }

  /// Whether it has a file of its own that holds what exists nowhere else.
  public var keepsState: Bool { self == .consumer || self == .saga }
}

extension ScriptOutline.Shared {
  public init(_ catalog: ProjectCatalog) {
    defaults = catalog.defaults
    var commands: [String: String] = [:]
    for decider in catalog.deciders {
      for type in decider.commands {
        commands[type] = "\(decider.topic)/\(decider.keyField ?? "")/\(decider.identityName)"
      }
    }
    self.commands = commands
    newest = catalog.upcasters.mapValues(\.newest)
  }
}

extension ProjectCatalog {
  /// These files and all modules that they may require, by path, sorted.
  fileprivate func files(_ paths: [String]) -> [String] {
    let names = Set(paths.flatMap { modules[$0] ?? [] })
    return Set(paths + names.compactMap { scripts.modules[$0]?.path }).sorted()
  }
}

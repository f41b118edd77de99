public import MoontideCore
public import MoontideLua

/// All definitions of a project, and everything that is wrong with them. Immutable; shared by all workers.
public struct ProjectCatalog: Sendable {
  public let scripts: ScriptLibrary
  public let defaults: HandlerDefaults
  /// Projections, consumers and sagas that may run, by file and place. One with an error is left out.
  public let definitions: [HandlerDefinition]
  /// Deciders that may run, by file and place.
  public let deciders: [DeciderDefinition]
  /// What sagas are beside their definition, by name.
  public let sagas: [String: SagaDefinition]
  /// By type.
  public let upcasters: [String: UpcasterDefinition]
  /// In order of file and line.
  public let diagnostics: [Diagnostic]
  /// The names of the modules that each handler file may require, by its path.
  let modules: [String: [String]]

  /// Loads every file in a state of its own, so that one broken file hides nothing of the others.
  /// - Parameter modules: by the name that `require` finds them under.
  public static func load(
    handlers: [ScriptSource], modules: [String: ScriptSource], defaults: HandlerDefaults = HandlerDefaults(),
    schemaCheck: SchemaCheck
  ) -> ProjectCatalog {
    let scripts = ScriptLibrary(handlers: handlers, modules: modules)
    var loader = CatalogLoader(scripts: scripts, defaults: defaults)
    for script in handlers { loader.load(script, check: schemaCheck) }
    loader.finish()
    return ProjectCatalog(
      scripts: scripts, defaults: defaults, definitions: loader.definitions, deciders: loader.deciders,
      sagas: loader.sagas, upcasters: loader.upcasters,
      diagnostics: loader.diagnostics, modules: loader.modules)
  }

  /// With definitions that are not here any more and stay at work by the scripts of `old`.
  public func keeping(_ names: Set<String>, of old: ProjectCatalog) -> ProjectCatalog {
    let kept = old.definitions.filter { names.contains($0.name) && definition($0.name) == nil }
    var sagas = sagas
    for one in kept { sagas[one.name] = old.sagas[one.name] }
    return ProjectCatalog(
      scripts: scripts, defaults: defaults, definitions: definitions + kept, deciders: deciders,
      sagas: sagas, upcasters: upcasters, diagnostics: diagnostics, modules: modules)
  }

  public var hasErrors: Bool { diagnostics.contains { $0.severity == .error } }

  public func definition(_ name: String) -> HandlerDefinition? { definitions.first { $0.name == name } }

  public func decider(_ name: String) -> DeciderDefinition? { deciders.first { $0.name == name } }

  /// The decider that takes commands of that type.
  public func decider(ofCommand type: String) -> DeciderDefinition? {
    deciders.first { $0.commands.contains(type) }
  }

  /// The newest version of a type that its upcasters lead to; 1 for a type without.
  public func newestVersion(ofType type: String) -> UInt32 { upcasters[type]?.newest ?? 1 }
}

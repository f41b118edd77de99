import MoontideCore
import MoontideRuntime

/// Finds the two definitions that are compared: on disk, and with one file in the place of another.
struct DiffScripts {
  /// A definition with the catalog that it is of.
  struct Side {
    var definition: HandlerDefinition
    var catalog: ProjectCatalog
    /// The file, as it is shown.
    var origin: String
  }

  private let paths: ProjectPaths
  private let scripts: ScriptFiles

  init(_ paths: ProjectPaths, files: any FileSystem) throws(Diagnostic) {
    self.paths = paths
    scripts = try ScriptFiles.read(paths, files: files)
  }

  /// The one on disk.
  func onDisk(_ name: String) throws(ProjectFault) -> Side {
    let loaded = LoadedScripts(scripts)
    guard let definition = Self.projection(name, in: loaded.catalog) else {
      // It may be one of those that do not load.
      try Self.requireSound(loaded)
      let names = loaded.catalog.definitions.filter { $0.kind == .projection }.map(\.name)
      let near = Suggestion.nearest(to: name, among: names)
      throw ProjectFault([
        Diagnostic(.noSuchHandler, "there is no projection \(name)", help: near.map { "did you mean \($0)?" })
      ])
    }
    try Self.requireSound(loaded)
    return Side(definition: definition, catalog: loaded.catalog, origin: definition.path)
  }

  /// The one of `script`, which takes the place of the file of `old`; the rest is as it is on disk.
  func replaced(_ old: Side, by script: DiffRequest.Script) throws(ProjectFault) -> Side {
    guard script.text.count <= Limits.scriptBytesMax else {
      throw ProjectFault([
        Diagnostic(
          .scriptTooLarge, "a script has at most \(Limits.scriptBytesMax) bytes",
          at: SourcePlace(file: script.path, line: 1))
      ])
    }
    let shown = paths.relative(script.path)
    var changed = scripts
    changed.handlers = scripts.handlers.compactMap { source in
      if source.path == old.definition.path {
        return .init(path: shown, text: script.text)
      }
      // A file that waits for its turn beside the one in use counts once.
      return source.path == shown ? nil : source
    }
    let loaded = LoadedScripts(changed)
    try Self.requireSound(loaded)
    guard let definition = Self.projection(old.definition.name, in: loaded.catalog) else {
      let found = loaded.catalog.definitions.filter { $0.kind == .projection && $0.path == shown }.map(\.name)
      let name = old.definition.name
      let defined = found.isEmpty ? "no projection" : "only \(found.joined(separator: ", "))"
      throw ProjectFault([
        Diagnostic(
          .notDefined, "\(shown) does not define projection \(name), but \(defined)",
          at: SourcePlace(file: shown, line: 1),
          help: found.first.map { "if \($0) is its new name, say so there: was = \"\(name)\"" })
      ])
    }
    return Side(definition: definition, catalog: loaded.catalog, origin: shown)
  }

  /// By its name, or by the one that it had.
  private static func projection(_ name: String, in catalog: ProjectCatalog) -> HandlerDefinition? {
    let projections = catalog.definitions.filter { $0.kind == .projection }
    return projections.first { $0.name == name } ?? projections.first { $0.was == name }
  }

  /// What is wrong elsewhere may change what this one sees: upcasters are everybody's.
  private static func requireSound(_ loaded: LoadedScripts) throws(ProjectFault) {
    let wrong = loaded.problems.filter { $0.severity == .error }
    if !wrong.isEmpty { throw ProjectFault(wrong) }
  }
}

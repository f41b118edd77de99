import MoontideCore
import MoontideLua
import MoontideRuntime
import MoontideSQLite

/// Settings and definitions of a project as its files say now, and everything that is wrong with them.
struct LoadedScripts: Sendable {
  let settings: ProjectSettings
  let catalog: ProjectCatalog
  let problems: [Diagnostic]
  /// What it was made of.
  let files: ScriptFiles

  static func load(_ paths: ProjectPaths, files: any FileSystem) throws(Diagnostic) -> LoadedScripts {
    LoadedScripts(try ScriptFiles.read(paths, files: files))
  }

  private init(
    settings: ProjectSettings, catalog: ProjectCatalog, problems: [Diagnostic], files: ScriptFiles
  ) {
    self.settings = settings
    self.catalog = catalog
    self.problems = problems
    self.files = files
  }

  /// Loads texts that were read. On a thread with a stack of 2 MiB or more.
  init(_ scripts: ScriptFiles) {
    var settings = ProjectSettings()
    var problems: [Diagnostic] = []
    if let script = scripts.settings {
      let loaded = ProjectSettings.load(script)
      settings = loaded.settings
      problems = loaded.problems
    }
    let catalog = ProjectCatalog.load(
      handlers: scripts.handlers, modules: scripts.modules, defaults: settings.defaults,
      schemaCheck: LoadedScripts.check)
    self.init(
      settings: settings, catalog: catalog, problems: problems + catalog.diagnostics, files: scripts)
  }

  /// Whether it may run.
  var hasErrors: Bool { problems.contains { $0.severity == .error } }

  /// Its definitions by version.
  /// - Parameter only: handlers by name; nil: all.
  func outline(only: Set<String>? = nil) -> ScriptOutline {
    ScriptOutline(catalog, settings: files.settings.map { ScriptTokens($0) }, only: only)
  }

  /// With definitions of `old` that stay though these scripts have them no more.
  func keeping(_ kept: [ReloadPlan.Step], of old: LoadedScripts) -> LoadedScripts {
    LoadedScripts(
      settings: settings, catalog: catalog.keeping(Set(kept.map(\.name)), of: old.catalog),
      problems: problems, files: files)
  }

  /// Tries a projection's SQL in memory.
  private static let check: SchemaCheck = { schema in
    do throws(MoontideSQLite.SchemaFault) { return .success(try ProjectionStore.checkSchema(schema)) } catch {
      return .failure(
        SchemaRefusal(
          message: error.message, byteOffset: error.byteOffset, suggestion: error.suggestion))
    }
  }
}

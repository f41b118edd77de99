import MoontideCore
import MoontideLua
import MoontideRuntime
import MoontideSQLite

/// Settings and definitions of a project as its files say now, and everything that is wrong with them.
struct LoadedScripts: Sendable {
  let settings: ProjectSettings
  let catalog: ProjectCatalog
  let problems: [Diagnostic]

  static func load(_ paths: ProjectPaths, files: any FileSystem) throws(Diagnostic) -> LoadedScripts {
    load(try ScriptFiles.read(paths, files: files))
  }

  /// The same of texts that were read.
  static func load(_ scripts: ScriptFiles) -> LoadedScripts {
    var settings = ProjectSettings()
    var problems: [Diagnostic] = []
    if let script = scripts.settings {
      let loaded = ProjectSettings.load(script)
      settings = loaded.settings
      problems = loaded.problems
    }
    let catalog = ProjectCatalog.load(
      handlers: scripts.handlers, modules: scripts.modules, defaults: settings.defaults, schemaCheck: check)
    return LoadedScripts(
      settings: settings, catalog: catalog, problems: problems + catalog.diagnostics)
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

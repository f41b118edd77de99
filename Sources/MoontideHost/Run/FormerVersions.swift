import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Versions of projections whose script is not the one on disk any more, by the scripts that the log keeps.
/// For a thread with a stack of 2 MiB or more.
struct FormerVersions {
  let paths: ProjectPaths
  let files: any FileSystem
  let kept: KeptScripts

  init(_ project: MoontideProject) {
    self.init(paths: project.paths, files: project.files, log: project.log)
  }

  init(paths: ProjectPaths, files: any FileSystem, log: any EventLog) {
    self.paths = paths
    self.files = files
    kept = KeptScripts(paths: paths, files: files, log: log)
  }

  /// A version, and the scripts that it is of.
  struct Version {
    let definition: HandlerDefinition
    let catalog: ProjectCatalog
  }

  /// The version with that name; nil when the log does not keep its scripts.
  func version(_ name: String, _ version: String) throws(Diagnostic) -> Version? {
    guard let loaded = try kept.loaded(.projection, name, version: version),
      let definition = loaded.catalog.definition(name), definition.kind == .projection
    else { return nil }
    return Version(definition: definition, catalog: loaded.catalog)
  }

  /// What a read model's file is of; nil without one that can be asked.
  func identity(_ path: String) throws(Diagnostic) -> StoreIdentity? {
    guard try FileError.told({ () throws(FileError) in try files.status(path) }) != nil else { return nil }
    do throws(StoreOpeningError) { return try StoreReader(path: path).identity } catch {
      // Whoever opens it to go on with it says what is wrong with it.
      return nil
    }
  }

  /// Starts a projection, and of other kinds the one that is defined, by the version that is to serve: one
  /// that a person went back to, or, until the one on disk is folded, the one that the read model in use is
  /// of.
  /// - Parameter keepsUp: whether it is worth that.
  func start(
    _ definition: HandlerDefinition, in running: RunningGroups, keepsUp: Bool
  ) throws(Diagnostic) {
    guard definition.kind == .projection else { return try running.start(definition) }
    if let back = try rolledBack(definition) { return try running.start(back, isResumed: false) }
    guard keepsUp, let old = try inUse(definition) else { return try running.start(definition) }
    try running.start(old, isResumed: true)
    _ = try running.rebuild(definition, running.setting)
  }

  /// The version that the read model in use is of, when that is another one than the script on disk makes.
  func inUse(_ definition: HandlerDefinition) throws(Diagnostic) -> Version? {
    guard let identity = try identity(paths.readModel(definition.name)),
      identity.handler == definition.name, identity.kind == .projection,
      identity.scriptVersion != definition.scriptVersion
    else { return nil }
    return try version(definition.name, identity.scriptVersion)
  }

  /// The version that a person went back to, and that serves in the place of the one on disk.
  func rolledBack(_ definition: HandlerDefinition) throws(Diagnostic) -> Version? {
    guard let former = try rolledBackVersion(definition) else { return nil }
    return try version(definition.name, former)
  }

  /// Its name.
  func rolledBackVersion(_ definition: HandlerDefinition) throws(Diagnostic) -> String? {
    let record = try LogError.told { () throws(LogError) in
      try RollbackRecord.all(of: definition.name, in: kept.log).last
    }
    guard let record, record.instead == definition.scriptVersion, record.version != record.instead,
      try !isEditedSince(record)
    else { return nil }
    return record.version
  }

  /// Whether another version took over since: then what was gone back from is not held against it for ever.
  private func isEditedSince(_ record: RollbackRecord) throws(Diagnostic) -> Bool {
    try kept.takeovers().contains { takeover in
      guard let position = takeover.position, position > record.position else { return false }
      return takeover.definitions.contains {
        $0.entry.kind == .projection && $0.entry.name == record.name && $0.change != .same
      }
    }
  }
}

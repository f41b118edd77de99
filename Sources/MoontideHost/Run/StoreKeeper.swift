import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Opens the files of handlers as their definitions ask: makes new ones, goes on with those that fit, and
/// begins a rebuild beside a read model whose script has changed.
struct StoreKeeper: Sendable {
  let paths: ProjectPaths
  let files: any FileSystem

  /// A projection's store, and where it must be moved once it has caught up.
  struct Projection {
    var store: ProjectionStore
    /// The name of the read model that it will replace; nil when it is the one in use.
    var replaces: String?
  }

  /// - Parameter decided: how many decisions about its dead letters the log has; a read model that follows
  ///   fewer is rebuilt.
  func projection(_ definition: HandlerDefinition, decided: Int) throws(Diagnostic) -> Projection {
    let path = paths.readModel(definition.name)
    try adopt(definition, folder: paths.readModels)
    guard try exists(path) else {
      return Projection(store: try create(definition, decided, at: path), replaces: nil)
    }
    if let store = try fitting(definition, decided, at: path) {
      return Projection(store: store, replaces: nil)
    }
    let beside = paths.rebuilding(definition.name)
    if try exists(beside), let store = try fitting(definition, decided, at: beside) {
      return Projection(store: store, replaces: path)
    }
    try remove(beside)
    return Projection(store: try create(definition, decided, at: beside), replaces: path)
  }

  /// Puts a rebuilt file, closed by its owner, in the place of the old one. What the old one had in its
  /// write-ahead log goes with it: it is derived, and a kill in between only means another rebuild.
  func swap(_ definition: HandlerDefinition) throws(Diagnostic) -> ProjectionStore {
    let path = paths.readModel(definition.name)
    let beside = paths.rebuilding(definition.name)
    try FileError.told { () throws(FileError) in
      for ending in ["-wal", "-shm"] { try files.remove(path + ending) }
      try files.rename(beside, to: path)
      for ending in ["-wal", "-shm"] { try files.remove(beside + ending) }
      try files.syncDirectory(paths.readModels)
    }
    return try told(path) { () throws(StoreOpeningError) in try ProjectionStore.open(path: path) }
  }

  /// The file of a consumer, open for all its lanes. A new one begins where the definition says.
  func consumer(_ definition: HandlerDefinition, log: any EventLog) throws(Diagnostic) -> ConsumerFile {
    let path = paths.handlerFile(definition.name)
    try adopt(definition, folder: paths.handlerFiles)
    let isNew = try !exists(path)
    if isNew {
      let missing = try LogError.told { () throws(LogError) in
        try StartPlan.missing(definition, ledger: HandlerLedger(), log: log)
      }
      if let missing { throw missing }
    }
    let identity = StoreIdentity(
      handler: definition.name, kind: .consumer, scriptVersion: definition.scriptVersion)
    let file = try told(path) { () throws(StoreOpeningError) in
      try ConsumerFile(path: path, identity: identity)
    }
    if isNew {
      try begin(definition, try told(path) { () throws(StoreOpeningError) in try file.store() }, log)
    }
    return file
  }

  /// Writes down where a new consumer begins, so that "now" does not move when it is started again.
  private func begin(_ definition: HandlerDefinition, _ store: ConsumerStore, _ log: any EventLog)
    throws(Diagnostic)
  {
    let start = try LogError.told { () throws(LogError) in
      try StartPlan.position(definition, ledger: HandlerLedger(), log: log)
    }
    let partitions = log.topics().filter { definition.listens(to: $0.name) }.flatMap { topic in
      (0..<topic.partitions).map { TopicPartition(topic: topic.name, partition: $0) }
    }
    guard !partitions.isEmpty else { return }
    try StoreError.told { () throws(StoreError) in
      let transaction = try store.begin(folding: false)
      try transaction.write(.checkpoint(partitions, start))
      try transaction.commit()
    }
  }

  /// The file is the handler's as it is now defined; nil when it has to be made anew. Derived files that are
  /// damaged are made anew too.
  private func fitting(
    _ definition: HandlerDefinition, _ decided: Int, at path: String
  ) throws(Diagnostic) -> ProjectionStore? {
    do throws(StoreOpeningError) {
      let store = try ProjectionStore.open(path: path)
      let follows = try StoreOpeningError.told { () throws(StoreError) in try store.ledger().decided }
      return store.identity.scriptVersion == definition.scriptVersion
        && store.identity.handler == definition.name && follows == decided
        ? store : nil
    } catch {
      if case .store(.damaged) = error { return nil }
      throw error.diagnostic(path)
    }
  }

  private func create(
    _ definition: HandlerDefinition, _ decided: Int, at path: String
  ) throws(Diagnostic) -> ProjectionStore {
    let identity = StoreIdentity(
      handler: definition.name, kind: .projection, scriptVersion: definition.scriptVersion)
    return try told(path) { () throws(StoreOpeningError) in
      try ProjectionStore.create(
        path: path, schema: definition.schema ?? "", identity: identity, decided: decided)
    }
  }

  /// `was = "old_name"`: the old file becomes the new one's.
  private func adopt(_ definition: HandlerDefinition, folder: String) throws(Diagnostic) {
    guard let was = definition.was else { return }
    let old = "\(folder)/\(was).sqlite"
    let new = "\(folder)/\(definition.name).sqlite"
    guard try exists(old), try !exists(new) else { return }
    try FileError.told { () throws(FileError) in
      for ending in ["-wal", "-shm", ""] where try files.status(old + ending) != nil {
        try files.rename(old + ending, to: new + ending)
      }
      try files.syncDirectory(folder)
    }
  }

  private func exists(_ path: String) throws(Diagnostic) -> Bool {
    try FileError.told { () throws(FileError) in try files.status(path) != nil }
  }

  private func remove(_ path: String) throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      for ending in ["", "-wal", "-shm"] { try files.remove(path + ending) }
    }
  }

  private func told<T>(_ path: String, _ body: () throws(StoreOpeningError) -> T) throws(Diagnostic) -> T {
    do throws(StoreOpeningError) { return try body() } catch { throw error.diagnostic(path) }
  }
}

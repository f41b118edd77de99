package import MoontideCore
package import MoontideLog
package import MoontideRuntime
package import MoontideSQLite

/// Opens the files of handlers as their definitions ask: makes new ones, goes on with those that fit, and
/// begins a rebuild beside a read model whose script has changed.
package struct StoreKeeper: Sendable {
  let paths: ProjectPaths
  let files: any FileSystem
  /// What the stores are folds of; nil where that is not looked at.
  var log: SegmentedLog?
  /// The VFS that SQLite runs on; nil: the system's.
  let vfs: String?

  package init(
    paths: ProjectPaths, files: any FileSystem, log: SegmentedLog? = nil, vfs: String? = nil
  ) {
    self.paths = paths
    self.files = files
    self.log = log
    self.vfs = vfs
  }

  /// Of a project that this process holds.
  init(_ project: MoontideProject) {
    self.init(paths: project.paths, files: project.files, log: project.segmentedLog)
  }

  /// A projection's store, and where it must be moved once it has caught up.
  struct Projection {
    var store: ProjectionStore
    /// The name of the read model that it will replace; nil when it is the one in use.
    var replaces: String?
    /// Why the one in use cannot be used; nil when it can, or when its script was edited.
    var fault: String?
  }

  /// What a version that is folded beside begins with.
  package enum Beside: Sendable {
    /// The file that is there, if it fits.
    case known
    /// A new file.
    case anew
    /// The read model that the one in use took the place of.
    case previous
  }

  /// - Parameters:
  ///   - decided: how many decisions about its dead letters the log has; a read model that follows fewer is
  ///     rebuilt.
  ///   - anew: the one in use is known to be damaged.
  func projection(
    _ definition: HandlerDefinition, decided: Int, anew: Bool = false
  ) throws(Diagnostic) -> Projection {
    let path = paths.readModel(definition.name)
    try adopt(definition, folder: paths.readModels)
    try mendSwap(definition.name)
    try FileError.told { () throws(FileError) in
      for store in [path, paths.rebuilding(definition.name)] { try StoreTail.renew(store, files) }
    }
    guard try exists(path) else {
      try FileError.told { () throws(FileError) in try ReadModelSeal.remove(path, files) }
      return Projection(store: try create(definition, decided, at: path), replaces: nil)
    }
    var fault: String?
    if !anew {
      switch try fitting(definition, decided, at: path) {
      case .store(let store):
        // Of an edit that was taken back.
        try discardBeside(definition.name)
        return Projection(store: store, replaces: nil)
      case .edited: break
      case .unusable(let reason): fault = reason
      }
    }
    let store = try beside(definition, decided: decided, anew ? .anew : .known)
    return Projection(store: store, replaces: path, fault: fault)
  }

  /// The read model in use, for the version that it is of, to go on with it as it stands; what is beside it
  /// is another's.
  func serving(_ definition: HandlerDefinition) throws(Diagnostic) -> ProjectionStore {
    let path = paths.readModel(definition.name)
    try FileError.told { () throws(FileError) in try StoreTail.renew(path, files) }
    switch try fitting(definition, nil, at: path) {
    case .store(let store): return store
    case .edited: throw Diagnostic(.storeDamaged, "\(paths.relative(path)) is of another version")
    case .unusable(let reason): throw Diagnostic(.storeDamaged, "\(paths.relative(path)): \(reason)")
    }
  }

  /// A file beside the read model in use, for a version that is to take its place: the one of a process that
  /// was killed, when it fits, else a new one. Does not touch the one in use.
  func beside(
    _ definition: HandlerDefinition, decided: Int, _ beginning: Beside
  ) throws(Diagnostic) -> ProjectionStore {
    let path = paths.rebuilding(definition.name)
    var anew = false
    switch beginning {
    case .known: break
    case .anew: anew = true
    case .previous: try takeUpPrevious(definition.name)
    }
    try FileError.told { () throws(FileError) in try StoreTail.renew(path, files) }
    if !anew, try exists(path), case .store(let store) = try fitting(definition, decided, at: path) {
      try StoreError.told { () throws(StoreError) in try store.letLogGrow() }
      return store
    }
    try discardBeside(definition.name)
    let store = try create(definition, decided, at: path)
    try StoreError.told { () throws(StoreError) in try store.letLogGrow() }
    return store
  }

  /// Whether SQLite finds the read model in use broken. Reads all of it.
  func isDamaged(_ definition: HandlerDefinition) -> Bool {
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: paths.readModel(definition.name), vfs: vfs)
      return try StoreOpeningError.told { () throws(StoreError) in try reader.integrityFault() } != nil
    } catch {
      if case .store(.damaged) = error { return true }
      return false
    }
  }

  /// The file of a consumer or a saga, open for all its lanes. A new one begins where the definition says.
  package func consumer(
    _ definition: HandlerDefinition, log: any EventLog
  ) throws(Diagnostic) -> ConsumerFile {
    let path = paths.handlerFile(definition.name)
    try adopt(definition, folder: paths.handlerFiles)
    try FileError.told { () throws(FileError) in try StoreTail.renew(path, files) }
    let isNew = try !exists(path)
    if isNew {
      let missing = try LogError.told { () throws(LogError) in
        try StartPlan.missing(definition, ledger: HandlerLedger(), log: log)
      }
      if let missing { throw missing }
    }
    let identity = StoreIdentity(
      handler: definition.name, kind: definition.kind, scriptVersion: definition.scriptVersion)
    let file = try told(path) { () throws(StoreOpeningError) in
      try ConsumerFile(path: path, identity: identity, vfs: vfs)
    }
    if isNew { CrashPoint.reach(.duringStoreCreation) }
    try checkOwner(definition, file, at: path)
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

  enum Fitting {
    case store(ProjectionStore)
    /// It is of another version of the script, follows fewer decisions, or was never committed.
    case edited
    /// It cannot be gone on with, for this reason.
    case unusable(String)
  }

  /// Looks whether the file is the handler's as it is now defined. Read models are derived: those that are
  /// damaged, swapped, or of another log are made anew.
  /// - Parameter decided: nil: it may follow any number of decisions.
  func fitting(
    _ definition: HandlerDefinition, _ decided: Int?, at path: String
  ) throws(Diagnostic) -> Fitting {
    do throws(StoreOpeningError) {
      let store = try ProjectionStore.open(path: path, vfs: vfs)
      if let was = definition.was, store.identity.handler == was { return .edited }
      guard store.identity.handler == definition.name, store.identity.kind == .projection else {
        return .unusable("it is the file of \(store.identity.kind.rawValue) \(store.identity.handler)")
      }
      guard store.identity.scriptVersion == definition.scriptVersion else { return .edited }
      let follows = try StoreOpeningError.told { () throws(StoreError) in try store.ledger().decided }
      guard follows == decided ?? follows else { return .edited }
      let fault = try StoreOpeningError.told { () throws(StoreError) -> String? in
        guard let log else { return nil }
        if try !store.claim(log: log.mark) { return "it belongs to another log" }
        return StoreKeeper.ahead(try store.ledger(), of: log)
      }
      return fault.map { .unusable($0) } ?? .store(store)
    } catch {
      if case .empty = error { return .edited }
      if case .store(.damaged(_, let reason)) = error { return .unusable("it is damaged (\(reason))") }
      throw error.diagnostic(path)
    }
  }

  /// Why a store cannot be one of this log's, as far as its checkpoints tell.
  private static func ahead(_ ledger: HandlerLedger, of log: SegmentedLog) -> String? {
    guard let last = ledger.checkpoints.values.max(), last > log.durableEnd else { return nil }
    return "it has come to \(last), and the log ends at \(log.durableEnd)"
  }

  /// Refuses a consumer's file that is not the one that was left here: what it holds exists nowhere else, and
  /// going on with another one would handle events twice, or never.
  private func checkOwner(
    _ definition: HandlerDefinition, _ file: ConsumerFile, at path: String
  ) throws(Diagnostic) {
    func refuse(_ reason: String) -> Diagnostic {
      Diagnostic(
        .storeSwapped,
        "\(definition.kind.rawValue) \(definition.name) cannot go on with \(paths.relative(path)): \(reason)",
        help: HostCode.storeSwapped.mend)
    }
    let names = [definition.name, definition.was]
    guard names.contains(file.identity.handler), file.identity.kind == definition.kind else {
      throw refuse("it is the file of \(file.identity.kind.rawValue) \(file.identity.handler)")
    }
    guard let log else { return }
    let store = try told(path) { () throws(StoreOpeningError) in try file.store() }
    let fault = try StoreError.told { () throws(StoreError) -> String? in
      if try !store.claim(log: log.mark) { return "it belongs to another log" }
      return StoreKeeper.ahead(try store.ledger(), of: log)
    }
    if let fault { throw refuse(fault) }
  }

  private func create(
    _ definition: HandlerDefinition, _ decided: Int, at path: String
  ) throws(Diagnostic) -> ProjectionStore {
    let identity = StoreIdentity(
      handler: definition.name, kind: .projection, scriptVersion: definition.scriptVersion)
    let store = try told(path) { () throws(StoreOpeningError) in
      try ProjectionStore.create(
        path: path, schema: definition.schema ?? "", identity: identity, decided: decided, vfs: vfs)
    }
    CrashPoint.reach(.duringStoreCreation)
    try StoreError.told { () throws(StoreError) in
      guard let log else { return }
      let isOurs = try store.claim(log: log.mark)
      precondition(isOurs, "a file that was just made belongs to another log: \(path)")
    }
    return store
  }

  func exists(_ path: String) throws(Diagnostic) -> Bool {
    try FileError.told { () throws(FileError) in try files.status(path) != nil }
  }

  /// With its write-ahead log.
  func remove(_ path: String) throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      for ending in ["", "-wal", "-shm"] { try files.remove(path + ending) }
    }
  }

  func told<T>(_ path: String, _ body: () throws(StoreOpeningError) -> T) throws(Diagnostic) -> T {
    do throws(StoreOpeningError) { return try body() } catch { throw error.diagnostic(path) }
  }
}

import MoontideCore
import MoontideLog
import MoontideSQLite

/// The files of handlers, as far as a repair of the log concerns them: how far they have come.
struct RepairStores {
  struct Store {
    var name: String
    var path: String
    var isProjection: Bool
    /// The end of what it has handled.
    var reached: Position
    /// Failed events that are retried or dead, and events that wait behind them.
    var waiting: [Position]
  }

  private(set) var stores: [Store] = []
  /// Files that cannot be read, with the reason: what they say does not count.
  private(set) var unreadable: [(path: String, reason: String)] = []

  /// Reads all files of handlers that belong to the log of that mark, whether they are still defined or not,
  /// and those that were put away.
  init(_ paths: ProjectPaths, _ files: any FileSystem, mark: Int32) throws(Diagnostic) {
    for folder in [paths.readModels, paths.handlerFiles, paths.archive] {
      let names = try FileError.told { () throws(FileError) in
        try files.status(folder) == nil ? [] : try files.list(folder)
      }
      for name in names where name.hasSuffix(".sqlite") {
        let path = "\(folder)/\(name)"
        do throws(StoreOpeningError) {
          if let store = try RepairStores.look(path, mark) { stores.append(store) }
        } catch {
          if case .empty = error { continue }
          unreadable.append((path, error.diagnostic(path).title))
        }
      }
    }
  }

  private static func look(_ path: String, _ mark: Int32) throws(StoreOpeningError) -> Store? {
    let reader = try StoreReader(path: path)
    return try StoreOpeningError.told { () throws(StoreError) in
      if let owner = try reader.logMark(), owner != mark { return nil }
      let ledger = try reader.ledger()
      let waiting = ledger.parked.flatMap { [$0.position] + $0.held }
      return Store(
        name: reader.identity.handler, path: path, isProjection: reader.identity.kind == .projection,
        reached: ledger.checkpoints.values.max() ?? .start, waiting: waiting.sorted())
    }
  }

  /// No position below it may be used again.
  var floor: Position { stores.map(\.reached).max() ?? .start }

  /// Moves a read model with all its files to a folder; it is folded anew.
  static func move(_ store: Store, to folder: String, _ files: any FileSystem) throws(FileError) {
    let parts = store.path.split(separator: "/")
    let name = String(parts[parts.count - 1])
    for ending in ["-wal", "-shm", ""] where try files.status(store.path + ending) != nil {
      try files.rename(store.path + ending, to: "\(folder)/\(name)\(ending)")
    }
    try ReadModelSeal.remove(store.path, files)
    try files.syncDirectory(folder)
  }
}

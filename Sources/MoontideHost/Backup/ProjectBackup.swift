public import MoontideCore
import MoontideLog
import MoontideSQLite

/// Copies what a project keeps into one tar archive, beside a run too. The stores are copied first, those of
/// removed handlers too, each as of one commit; then the scripts that the log began with, should it not have
/// them itself; then the log up to its last whole batch: so nothing in a store is missing from the log, and
/// what the log has beyond a store is handled after a restore, as after a kill. What is on its way to take a
/// read model's place, and what it took the place of, is left out.
public struct ProjectBackup {
  /// What was written.
  public struct Result: Sendable {
    /// Everything before it is in the backup.
    public var position: Position
    public var files: Int
    public var bytes: UInt64
  }

  private let paths: ProjectPaths
  private let files: any FileSystem
  private let clock: any WallClock

  public init(_ paths: ProjectPaths) {
    self.paths = paths
    files = SystemSurroundings.files
    clock = SystemSurroundings.clock
  }

  /// Writes `target`, which must not exist; durable when it returns. A failure leaves nothing.
  public func write(to target: String) throws(Diagnostic) -> Result {
    let unfinished = target + ".unfinished"
    let isThere = try FileError.told { () throws(FileError) in try files.status(target) != nil }
    if isThere { throw Diagnostic(.backupTarget, "there is a file \(target) already") }
    try FileError.told { () throws(FileError) in try files.remove(unfinished) }
    return try write(unfinished, as: target)
  }

  private func write(_ unfinished: String, as target: String) throws(Diagnostic) -> Result {
    let folder = paths.cache + "/backup"
    do throws(Diagnostic) {
      try clear(folder)
      let result = try archive(unfinished, folder)
      CrashPoint.reach(.duringBackup)
      try FileError.told { () throws(FileError) in
        try files.rename(unfinished, to: target)
        try files.syncDirectory(ProjectBackup.folder(of: target))
      }
      try clear(folder)
      return result
    } catch {
      try FileError.told { () throws(FileError) in try files.remove(unfinished) }
      try clear(folder)
      throw error
    }
  }

  static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private func archive(_ target: String, _ folder: String) throws(Diagnostic) -> Result {
    var archive = try FileError.told { () throws(FileError) in
      try files.createDirectory(folder)
      return TarWriter(try files.open(target, .create), seconds: clock.now.microseconds / 1_000_000)
    }
    try addStores(to: &archive, folder)
    try addFirstScripts(to: &archive, folder)
    // Opened after the stores were copied: it reaches at least as far as they do. Reads and checks all of it.
    let log = try LogError.told { () throws(LogError) in try LogReader(directory: paths.log, files: files) }
    for file in log.files() {
      try FileError.told { () throws(FileError) in
        try archive.add(
          try files.open(paths.log + "/" + file.name, .read), as: "data/log/" + file.name, bytes: file.bytes)
      }
    }
    let manifest = BackupManifest(log: log.identity, position: log.durableEnd, files: archive.added)
    return try FileError.told { () throws(FileError) in
      let bytes = try archive.finish(manifest)
      return Result(position: log.durableEnd, files: manifest.files.count, bytes: bytes)
    }
  }

  /// A store that is renamed meanwhile, put away or taken back, is found by its new name: without it what it
  /// keeps would be done again. One that is there by both names does no harm.
  private func addStores(to archive: inout TarWriter, _ folder: String) throws(Diagnostic) {
    var added: Set<String> = []
    for _ in 0..<Limits.listingTriesMax {
      let left = try stores().filter { !added.contains($0.name) }
      if left.isEmpty { return }
      for (path, name) in left {
        let copy = folder + "/store.sqlite"
        do throws(StoreOpeningError) {
          guard try StoreCopy.ifThere(path, at: copy, files) else { continue }
        } catch { throw error.diagnostic(path) }
        try add(copy, to: &archive, as: name)
        try clear(folder)
        added.insert(name)
      }
    }
    throw Diagnostic(
      .file, "the files of handlers took other names again and again while they were copied",
      help: "make the backup again")
  }

  /// Before the log, which has them once they are gone.
  private func addFirstScripts(to archive: inout TarWriter, _ folder: String) throws(Diagnostic) {
    let copy = folder + "/scripts"
    let text = try FileError.told { () throws(FileError) -> [UInt8]? in
      do throws(FileError) {
        guard try files.status(paths.firstScripts) != nil else { return nil }
        return try files.contents(paths.firstScripts, bytesMax: Limits.firstScriptsBytesMax)
      } catch {
        guard try files.status(paths.firstScripts) == nil else { throw error }
        return nil
      }
    }
    guard let text else { return }
    try FileError.told { () throws(FileError) in
      try files.open(copy, .create).write(text, 0..<text.count, at: 0)
    }
    try add(copy, to: &archive, as: paths.relative(paths.firstScripts))
    try clear(folder)
  }

  private func add(_ copy: String, to archive: inout TarWriter, as name: String) throws(Diagnostic) {
    do throws(FileError) {
      let file = try files.open(copy, .read)
      try archive.add(file, as: name, bytes: try file.size())
    } catch { throw error.diagnostic }
  }

  /// The files of consumers, sagas and read models, and of those that were removed.
  private func stores() throws(Diagnostic) -> [(path: String, name: String)] {
    try FileError.told { () throws(FileError) in
      var found: [(String, String)] = []
      for folder in [paths.handlerFiles, paths.readModels, paths.archive] {
        guard try files.status(folder) != nil else { continue }
        // While a name changes, a listing may have both of them, or none.
        let names = try SwapLock.looking(in: folder) { () throws(FileError) in try files.list(folder) }
        for name in names where name.hasSuffix(".sqlite") && !name.hasPrefix(".") {
          found.append(("\(folder)/\(name)", paths.relative("\(folder)/\(name)")))
        }
      }
      return found
    }
  }

  private func clear(_ folder: String) throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      guard try files.status(folder) != nil else { return }
      for name in try files.list(folder) { try files.remove("\(folder)/\(name)") }
    }
  }
}

package import MoontideCore
package import MoontideLog
package import MoontideRuntime
package import MoontideSQLite

extension StoreKeeper {
  /// The snapshots of a decider, a cache: what is there of no use is made anew.
  package func snapshots(
    _ definition: DeciderDefinition, log: SegmentedLog
  ) throws(Diagnostic) -> SnapshotFile {
    let (path, files, vfs) = (paths.snapshots(definition.name), files, vfs)
    try FileError.told { () throws(FileError) in try files.createDirectory(paths.snapshotFolder) }
    @Sendable func discard() throws(StoreError) {
      do throws(FileError) {
        for ending in ["", "-wal", "-shm"] { try files.remove(path + ending) }
      } catch {
        if error.isFullDisk { throw .full(path: path) }
        if error.isPassing { throw .exhausted(path: path, reason: error.reason) }
        throw .io(path: path, reason: error.reason)
      }
    }
    func open() throws(StoreError) -> SnapshotFile {
      try SnapshotFile(
        path: path, content: definition.version, log: log.identity, vfs: vfs, discard: discard)
    }
    do throws(StoreError) {
      do throws(StoreError) { return try open() } catch {
        guard case .io = error else { throw error }
        try discard()
        return try open()
      }
    } catch {
      guard case .io(_, let reason) = error else { throw StoreOpeningError.store(error).diagnostic(path) }
      let folder = paths.relative(paths.snapshotFolder)
      throw Diagnostic(
        .file, "\(paths.relative(path)) cannot be used, and cannot be made anew: \(reason)",
        help: "\(folder)/ holds caches only: rm -r \(folder), then run again")
    }
  }
}

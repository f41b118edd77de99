package import MoontideCore
package import MoontideLog
package import MoontideRuntime
package import MoontideSQLite

extension StoreKeeper {
  /// The snapshots of a decider, a cache: what is there of no use is made anew.
  package func snapshots(
    _ definition: DeciderDefinition, log: SegmentedLog
  ) throws(Diagnostic) -> SnapshotFile {
    let path = paths.snapshots(definition.name)
    let files = files
    try FileError.told { () throws(FileError) in try files.createDirectory(paths.snapshotFolder) }
    do throws(StoreError) {
      return try SnapshotFile(
        path: path, content: definition.version, log: log.identity, vfs: vfs
      ) { () throws(StoreError) in
        do throws(FileError) {
          for ending in ["", "-wal", "-shm"] { try files.remove(path + ending) }
        } catch {
          if error.isFullDisk { throw .full(path: path) }
          if error.isPassing { throw .exhausted(path: path, reason: error.reason) }
          throw .io(path: path, reason: error.reason)
        }
      }
    } catch {
      throw StoreOpeningError.store(error).diagnostic(path)
    }
  }
}

import MoontideCore
import MoontideRuntime

/// How the files of a handler follow its definition to another name, `was = "old_name"`: under the lock that
/// readers hold while they open one, so that nobody reads the one file with the write-ahead log of none.
extension StoreKeeper {
  /// Gives the files of the old name the new one, unless that has files of its own. The file itself comes
  /// last: after a kill the next start goes on where this one was. What was folded beside under the old name
  /// is dropped: it is of another version.
  func adopt(_ definition: HandlerDefinition, folder: String) throws(Diagnostic) {
    guard let was = definition.was else { return }
    let old = "\(folder)/\(was).sqlite"
    let new = "\(folder)/\(definition.name).sqlite"
    guard try exists(old), try !exists(new) else { return }
    var renames: [(from: String, to: String)] = []
    if folder == paths.readModels {
      try mendSwap(was)
      try discardBeside(was)
      renames += trio(paths.previous(was), paths.previous(definition.name))
      renames.append((ReadModelSeal.path(of: old), ReadModelSeal.path(of: new)))
    }
    renames += trio(old, new)
    try FileError.told { [renames] () throws(FileError) in
      try gather(old)
      try alone(in: folder) { () throws(FileError) in
        for (from, to) in renames where try files.status(from) != nil {
          if try !isLeft(from, beside: to) { try files.rename(from, to: to) }
          if to != new { CrashPoint.reach(.duringRenaming) }
        }
      }
      // What a reader made anew after a kill in between.
      for ending in ["-wal", "-shm"] { try files.remove(old + ending) }
      try files.syncDirectory(folder)
    }
  }

  /// A file with its write-ahead log and the index of that, which comes first (`moveLog`).
  private func trio(_ old: String, _ new: String) -> [(from: String, to: String)] {
    ["-shm", "-wal", ""].map { (old + $0, new + $0) }
  }

  /// Whether a reader made it after a kill in between: the log that belongs to the file has its new name
  /// already, so that an empty one beside the old name, and the index of that, are nobody's.
  private func isLeft(_ path: String, beside known: String) throws(FileError) -> Bool {
    let (name, new) = (path.dropLast(4), known.dropLast(4))
    guard path.hasSuffix("-wal") || path.hasSuffix("-shm"), try files.status(new + "-wal") != nil else {
      return false
    }
    return try files.status(name + "-wal")?.bytes ?? 0 == 0
  }
}

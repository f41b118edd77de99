import MoontideCore

/// A file below `.moontide/trace` to fold into while somebody asks. Whoever made it removes it, or the next
/// question does when the process was killed: a lock beside it says whether it is in use.
final class TraceFile {
  let path: String
  private let lockPath: String
  private let lock: ProjectLock
  private let files: any FileSystem

  init(_ paths: ProjectPaths, files: any FileSystem, randomness: any Randomness) throws(Diagnostic) {
    let folder = paths.cache + "/trace"
    try FileError.told { () throws(FileError) in try files.createDirectory(folder) }
    // Whoever looks for leftovers, or begins work, does so alone.
    let gate = try Self.take(folder + "/gate", patience: Limits.traceGatePatience)
    try Self.sweep(folder, files)
    let stem = "\(folder)/work-\(String(randomness.next(), radix: 16))"
    self.files = files
    path = stem + ".sqlite"
    lockPath = stem + ".lock"
    lock = try Self.take(lockPath, patience: .zero)
    withExtendedLifetime(gate) {}
  }

  /// Nobody may be at the file any more.
  func remove() throws(Diagnostic) {
    try FileError.told { () throws(FileError) in try Self.remove(path, lockPath, files) }
  }

  private static func take(_ path: String, patience: Duration) throws(Diagnostic) -> ProjectLock {
    switch try ProjectLock.take(path, .file, patience: patience) {
    case .success(let lock): return lock
    case .failure: throw Diagnostic(.file, "\(path) is held by another process", help: "ask again")
    }
  }

  private static func sweep(_ folder: String, _ files: any FileSystem) throws(Diagnostic) {
    let names = try FileError.told { () throws(FileError) in try files.list(folder) }
    for name in names where name.hasPrefix("work-") && name.hasSuffix(".lock") {
      let lock = "\(folder)/\(name)"
      if try ProjectLock.isHeld(lock, .file) { continue }
      try FileError.told { () throws(FileError) in
        try remove("\(folder)/\(name.dropLast(".lock".count)).sqlite", lock, files)
      }
    }
  }

  /// The lock last, so that the work is never left without it.
  private static func remove(
    _ path: String, _ lock: String, _ files: any FileSystem
  ) throws(FileError) {
    for ending in ["", "-journal", "-wal", "-shm"] { try files.remove(path + ending) }
    try files.remove(lock)
  }
}

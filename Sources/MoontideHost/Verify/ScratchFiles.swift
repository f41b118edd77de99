import MoontideCore

/// Files of one command below `.moontide/scratch`, under names that nobody else has. Any number of processes
/// use the folder at once: each holds a lock on what is its own, and whoever comes next removes what is held
/// by nobody, so that a kill leaves nothing for long. Use it on one thread; end with `remove`.
struct ScratchFiles {
  private let folder: String
  private let stem: String
  private let files: any FileSystem
  private let lock: ProjectLock

  /// Removes what killed processes left, and takes a place.
  init(_ paths: ProjectPaths, files: any FileSystem, randomness: any Randomness) throws(Diagnostic) {
    folder = paths.scratch
    self.files = files
    stem = String(randomness.next(), radix: 16)
    let folder = paths.scratch
    try FileError.told { () throws(FileError) in try files.createDirectory(folder) }
    // While it is held nobody begins or sweeps, so that a place without a lock is nobody's.
    let door: ProjectLock
    switch try ProjectLock.take(folder + "/door", .file, patience: Limits.scratchPatience) {
    case .success(let taken): door = taken
    case .failure(let held):
      throw Diagnostic(
        .file, "\(folder)/door is held by another process" + (held.pid.map { " (pid \($0))" } ?? ""))
    }
    switch try ProjectLock.take("\(folder)/\(stem).lock", .file, patience: .zero) {
    case .success(let taken): lock = taken
    case .failure: throw Diagnostic(.file, "\(folder)/\(stem).lock is held by another process")
    }
    try sweep()
    withExtendedLifetime(door) {}
  }

  /// Where a file of that name may be made.
  func path(_ name: String) -> String { "\(folder)/\(stem)-\(name)" }

  /// Removes one file and what SQLite keeps beside it.
  func remove(_ name: String) throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      for ending in ["", "-journal", "-wal", "-shm"] { try files.remove(path(name) + ending) }
    }
  }

  /// Removes everything of this place. The lock goes last: what is left by a failure is then nobody's.
  func remove() throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      for name in try files.list(folder) where name.hasPrefix(stem + "-") {
        try files.remove("\(folder)/\(name)")
      }
      try files.remove("\(folder)/\(stem).lock")
    }
    withExtendedLifetime(lock) {}
  }

  private func sweep() throws(Diagnostic) {
    let names = try FileError.told { () throws(FileError) in try files.list(folder) }
    let stems = Set(names.filter { $0 != "door" }.map { String($0.prefix { $0 != "-" && $0 != "." }) })
    for other in stems where other != stem {
      if try ProjectLock.isHeld("\(folder)/\(other).lock", .file) { continue }
      try FileError.told { () throws(FileError) in
        for name in names where name.hasPrefix(other + "-") { try files.remove("\(folder)/\(name)") }
        try files.remove("\(folder)/\(other).lock")
      }
    }
  }
}

import MoontideCore

/// The kept folds of one read model: `.moontide/as-of/folds/NAME/`, for each a database and a `FoldNote`
/// beside it. Any number of processes use it at once without a lock: every file has a name of its own, is
/// whole before its note is written, and never changes afterwards. All of it may be deleted at any time.
struct FoldCache {
  /// A fold that is there, with its note.
  struct Kept: Sendable {
    /// Of its files, without the ending.
    var name: String
    var note: FoldNote
    /// When it was used last, microseconds since 1970.
    var usedMicroseconds: Int64
  }

  /// A file that is being folded. While its lock is held nobody takes it for a leftover.
  struct Work {
    var path: String
    fileprivate var lockPath: String
    fileprivate var lock: ProjectLock
  }

  let folder: String
  /// Of all read models.
  private let folders: String
  let files: any FileSystem
  private let clock: any WallClock
  private let randomness: any Randomness

  init(
    _ paths: ProjectPaths, _ projection: String, files: any FileSystem, clock: any WallClock,
    randomness: any Randomness
  ) throws(FileError) {
    folder = "\(paths.folds)/\(projection)"
    folders = paths.folds
    self.files = files
    self.clock = clock
    self.randomness = randomness
    try files.createDirectory(folder)
  }

  func path(_ name: String) -> String { "\(folder)/\(name).sqlite" }
  private func notePath(_ name: String) -> String { "\(folder)/\(name).note" }

  // MARK: What is there

  /// All folds with a sound note, by position. Those of another log or another version of the script are
  /// removed, and so is what killed processes left.
  func kept(log: String, scriptVersion: String) throws(FileError) -> [Kept] {
    var found: [Kept] = []
    let names = try files.list(folder)
    for file in names where file.hasSuffix(".note") {
      let name = String(file.dropLast(".note".count))
      guard let kept = try read(name) else { continue }
      if kept.note.log == log, kept.note.scriptVersion == scriptVersion {
        found.append(kept)
      } else if isOlder(kept.usedMicroseconds, Limits.foldOpeningTime) {
        // Else one who read the scripts before they were edited may be about to open it.
        try remove(name)
      }
    }
    try sweep(folder, names, olderThan: Limits.leftoverAge)
    return found.sorted { ($0.note.position, $0.name) < ($1.note.position, $1.name) }
  }

  /// Nil when another process removed it meanwhile, or when it is not sound: then it is removed.
  private func read(_ name: String) throws(FileError) -> Kept? {
    guard let status = try files.status(notePath(name)) else { return nil }
    let text: String
    do throws(FileError) {
      text = String(
        decoding: try files.contents(notePath(name), bytesMax: Limits.foldNoteBytesMax), as: UTF8.self)
    } catch {
      guard try files.status(notePath(name)) != nil else { return nil }
      throw error
    }
    guard let note = FoldNote(text: text) else {
      try remove(name)
      return nil
    }
    return Kept(name: name, note: note, usedMicroseconds: status.modifiedMicroseconds)
  }

  /// Removes what no living process can be at: files without a note, and work whose owner is gone.
  /// - Returns: whether there was any.
  @discardableResult
  private func sweep(
    _ folder: String, _ names: [String], olderThan age: Duration
  ) throws(FileError) -> Bool {
    let all = Set(names)
    var isMade = false
    for file in names where !file.hasSuffix(".note") {
      let stem = String(file.prefix { $0 != "." })
      if file.hasSuffix(".sqlite"), all.contains(stem + ".note") { continue }
      guard let status = try files.status("\(folder)/\(file)"), isOlder(status.modifiedMicroseconds, age)
      else { continue }
      if stem.hasPrefix("work-"), isHeld("\(folder)/\(stem).lock") { continue }
      // The lock goes last, so that its work is never left without it.
      if file.hasSuffix(".lock"), all.contains(stem + ".sqlite") {
        try files.remove("\(folder)/\(stem).sqlite")
      }
      try files.remove("\(folder)/\(file)")
      isMade = true
    }
    return isMade
  }

  private func isOlder(_ microseconds: Int64, _ age: Duration) -> Bool {
    clock.now.microseconds - microseconds > Int64(age / .microseconds(1))
  }

  /// In doubt it is.
  private func isHeld(_ lock: String) -> Bool {
    do throws(Diagnostic) { return try ProjectLock.isHeld(lock, .file) } catch { return true }
  }

  /// Whether somebody deleted it; it is there again then.
  func isGone() throws(FileError) -> Bool {
    guard try files.status(folder) == nil else { return false }
    try files.createDirectory(folder)
    return true
  }

  /// Removes all folds of all read models, and what killed processes left; false when there was nothing.
  /// Those that were made a moment ago are given the time to be opened: then they may go too.
  func makeRoom() throws(FileError) -> Bool {
    clock.sleep(for: Limits.foldOpeningTime)
    var isMade = false
    for name in try files.list(folders) where try clear(name, olderThan: Limits.foldOpeningTime) {
      isMade = true
    }
    return isMade
  }

  /// Removes what is kept of read models that are no more, and was not used for a while.
  func forgetOthers(than names: Set<String>) throws(FileError) {
    for name in try files.list(folders) where !names.contains(name) {
      _ = try clear(name, olderThan: Limits.leftoverAge)
    }
  }

  /// Removes the folds of one read model, and what killed processes left of it; false when there was nothing.
  private func clear(_ projection: String, olderThan age: Duration) throws(FileError) -> Bool {
    let folder = "\(folders)/\(projection)"
    guard try files.status(folder)?.isDirectory == true else { return false }
    let names = try files.list(folder)
    var isMade = try sweep(folder, names, olderThan: age)
    for note in names where note.hasSuffix(".note") {
      guard let status = try files.status("\(folder)/\(note)"), isOlder(status.modifiedMicroseconds, age)
      else { continue }
      try files.remove("\(folder)/\(note)")
      try files.remove("\(folder)/\(note.dropLast(".note".count)).sqlite")
      isMade = true
    }
    return isMade
  }

  // MARK: Using

  /// Whether a kept file still has the bytes that were written. What has not is removed.
  func isSound(_ kept: Kept) throws(FileError) -> Bool {
    do throws(FileError) {
      if try CheckedCopy(of: path(kept.name), files) == kept.note.sum { return true }
    } catch { if error.isPassing { throw error } }
    try remove(kept.name)
    return false
  }

  /// Copies a kept file to go on from; false, and it is removed, when it has not the bytes that were written.
  func copy(_ kept: Kept, to work: Work) throws(FileError) -> Bool {
    do throws(FileError) {
      if try CheckedCopy(of: path(kept.name), to: work.path, files) == kept.note.sum { return true }
    } catch { if error.isPassing { throw error } }
    try files.remove(work.path)
    try remove(kept.name)
    return false
  }

  /// Notes that a fold was used, so that it stays.
  func touch(_ kept: Kept) throws(FileError) { try write(kept.note, of: kept.name) }

  /// A path where nothing is, to fold into; end with `keep` or `drop`.
  func work() throws(Diagnostic) -> Work {
    let stem = "work-\(random())"
    let lockPath = "\(folder)/\(stem).lock"
    switch try ProjectLock.take(lockPath, .file, patience: .zero) {
    case .success(let lock): return Work(path: path(stem), lockPath: lockPath, lock: lock)
    case .failure: throw Diagnostic(.file, "\(lockPath) is held by another process")
    }
  }

  func drop(_ work: Work) throws(FileError) {
    for ending in ["", "-journal", "-wal", "-shm"] { try files.remove(work.path + ending) }
    try files.remove(work.lockPath)
  }

  // MARK: Keeping

  /// Keeps a copy of the work as it is now, committed and not being written to.
  func keepCopy(of work: Work, _ note: FoldNote) throws(FileError) {
    let name = "\(note.position.value)-\(random())"
    var note = note
    do throws(FileError) {
      note.sum = try CheckedCopy(of: work.path, to: path(name), files)
      try write(note, of: name)
    } catch {
      try remove(name)
      // A mark only saves time: without room there is none.
      guard error.isFullDisk else { throw error }
    }
  }

  /// Keeps the finished work, closed by its maker, under a name of its own; returns that.
  func keep(_ work: Work, _ note: FoldNote) throws(FileError) -> Kept {
    let name = "\(note.position.value)-\(random())"
    var note = note
    note.sum = try CheckedCopy(of: work.path, files)
    try files.rename(work.path, to: path(name))
    try write(note, of: name)
    try files.remove(work.lockPath)
    return Kept(name: name, note: note, usedMicroseconds: clock.now.microseconds)
  }

  private func write(_ note: FoldNote, of name: String) throws(FileError) {
    // Under a name of its own: two processes may use one fold at once.
    let beside = "\(folder)/\(name).new-\(random())"
    let bytes = Array(note.text.utf8)
    try files.open(beside, .create).write(bytes, 0..<bytes.count, at: 0)
    try files.rename(beside, to: notePath(name))
  }

  /// The note first: a fold without one is none.
  func remove(_ name: String) throws(FileError) {
    try files.remove(notePath(name))
    try files.remove(path(name))
  }

  /// Removes what is too much, but not the fold of that name, and nothing that another process may be about
  /// to open.
  func prune(_ kept: [Kept], keeping name: String, bytesMax: UInt64) throws(FileError) {
    let old = Set(kept.filter { isOlder($0.usedMicroseconds, Limits.foldOpeningTime) }.map(\.name))
    for gone in FoldPruning(bytesMax: bytesMax).superfluous(kept.map(Self.known))
    where gone != name && old.contains(gone) {
      try remove(gone)
    }
  }

  /// Whether one more mark, a copy of the work as it is now, is within the bounds; makes it so when others
  /// may go for it.
  func admits(
    _ note: FoldNote, of work: Work, beside kept: [Kept], bytesMax: UInt64
  ) throws(FileError) -> Bool {
    var new = Kept(name: "", note: note, usedMicroseconds: clock.now.microseconds)
    new.note.bytes = try files.status(work.path)?.bytes ?? 0
    let gone = FoldPruning(bytesMax: bytesMax).superfluous((kept + [new]).map(Self.known))
    let old = Set(kept.filter { isOlder($0.usedMicroseconds, Limits.foldOpeningTime) }.map(\.name))
    guard new.note.bytes <= bytesMax, gone.allSatisfy(old.contains) else { return false }
    for name in gone { try remove(name) }
    return true
  }

  private static func known(_ kept: Kept) -> FoldPruning.Kept {
    FoldPruning.Kept(
      name: kept.name, role: kept.note.role, position: kept.note.position,
      isPlain: kept.note.span.leftOut == 0, bytes: kept.note.bytes, usedMicroseconds: kept.usedMicroseconds)
  }

  /// How much all questions about the past of a project keep: files, folds among them, bytes.
  static func size(
    of paths: ProjectPaths, _ files: any FileSystem
  ) throws(FileError) -> (files: Int, folds: Int, bytes: UInt64) {
    var size = (files: 0, folds: 0, bytes: UInt64(0))
    func add(_ folder: String) throws(FileError) {
      guard try files.status(folder)?.isDirectory == true else { return }
      for name in try files.list(folder) {
        guard let status = try files.status("\(folder)/\(name)"), status.isRegular else { continue }
        size.files += 1
        size.bytes += status.bytes
        if name.hasSuffix(".note") { size.folds += 1 }
      }
    }
    try add(paths.asOf)
    guard try files.status(paths.folds)?.isDirectory == true else { return size }
    for name in try files.list(paths.folds) { try add("\(paths.folds)/\(name)") }
    return size
  }

  /// 16 hexadecimal digits.
  private func random() -> String {
    let digits = String(randomness.next(), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}

extension FoldNote {
  /// Of the file that it stands beside.
  var sum: CheckedCopy {
    get {
      var sum = CheckedCopy()
      sum.bytes = bytes
      sum.checksum = checksum
      return sum
    }
    set {
      bytes = newValue.bytes
      checksum = newValue.checksum
    }
  }
}

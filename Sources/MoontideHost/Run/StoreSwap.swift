import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// How a rebuilt read model takes the place of the one in use: by renames, so that whoever opens it by its
/// name finds the one or the other, each with its own write-ahead log, at any moment, and after a kill too.
extension StoreKeeper {
  /// Looks at a file beside that its owner has open and has written all of down.
  ///
  /// - Returns: what it holds, as of the place that it has come to.
  /// - Throws: `E0401` when it cannot take anybody's place; its owner is to discard it.
  func prove(_ definition: HandlerDefinition, at reached: Position) throws(Diagnostic) -> ReadModelSeal {
    let path = paths.rebuilding(definition.name)
    func refuse(_ reason: String) -> Diagnostic {
      Diagnostic(
        .storeDamaged, "the rebuilt read model of \(definition.name) does not take its place: \(reason)")
    }
    let reader = try told(path) { () throws(StoreOpeningError) in try StoreReader(path: path, vfs: vfs) }
    let identity = reader.identity
    guard identity.handler == definition.name, identity.kind == .projection,
      identity.scriptVersion == definition.scriptVersion
    else { throw refuse("it is the file of \(identity.handler), version \(identity.scriptVersion)") }
    return try StoreError.told { () throws(StoreError) -> Result<ReadModelSeal, Diagnostic> in
      if let log, try reader.logMark() != log.mark { return .failure(refuse("it belongs to another log")) }
      let position = try reader.ledger().checkpoints.values.max() ?? .start
      guard position <= reached else {
        return .failure(refuse("it says that it has come to \(position), and it is at \(reached)"))
      }
      if let fault = try reader.integrityFault() { return .failure(refuse(fault)) }
      return .success(
        ReadModelSeal(
          scriptVersion: identity.scriptVersion, position: position, contents: try reader.contents()))
    }.get()
  }

  /// Refuses a rebuilt file by whose script more events fail than by that of the one in use: that is an edit
  /// to be mended, and readers keep what they have.
  func refuseWorse(_ definition: HandlerDefinition, _ store: ProjectionStore) throws(Diagnostic) {
    var letters = try StoreError.told { () throws(StoreError) in try store.ledger().deadLetters }
    guard letters > 0 else { return }
    let path = paths.readModel(definition.name)
    let serving = try told(path) { () throws(StoreOpeningError) in
      let reader = try StoreReader(path: path, vfs: vfs)
      return try StoreOpeningError.told { () throws(StoreError) in try reader.ledger() }
    }
    if letters > serving.deadLetters, letters <= Limits.comparedLettersMax {
      // The one in use may not have come to all of these events yet.
      let place = serving.checkpoints.values.max() ?? .start
      letters = try StoreError.told { () throws(StoreError) in
        try store.deadLetters().count { $0.position < place }
      }
    }
    let more = letters - serving.deadLetters
    if more <= 0 { return }
    throw Diagnostic(
      .rebuild,
      "\(Counted.text(more, "more event")) \(more == 1 ? "fails" : "fail") by version "
        + "\(definition.scriptVersion) of projection \(definition.name)",
      help: "mend the script; or moontide projection rebuild \(definition.name) takes it as it is")
  }

  /// Puts a rebuilt file, closed by its owner, in the place of the one in use, which nobody writes any more.
  /// That one is kept as the previous one, with what it has in its write-ahead log; readers who have it open
  /// keep it. When it throws, the one in use is the one it was.
  func swap(_ definition: HandlerDefinition) throws(Diagnostic) {
    let path = paths.readModel(definition.name)
    let beside = paths.rebuilding(definition.name)
    let previous = paths.previous(definition.name)
    try remove(previous)
    try keep(path, as: previous)
    try FileError.told { () throws(FileError) in
      // What it says of the old file it must not say of the new one, should that be at the same place.
      try ReadModelSeal.remove(path, files)
      try files.syncDirectory(paths.readModels)
      CrashPoint.reach(.beforeRename)
      try alone(in: paths.readModels) { () throws(FileError) in
        try moveLog(of: path, to: previous)
        CrashPoint.reach(.duringSwap)
        try files.rename(beside, to: path)
        // Nothing is left in it, but whoever reads the file by another name goes by its index.
        do throws(FileError) { try moveLog(of: beside, to: path) } catch {
          // The file has its place all the same; an empty log that stays behind goes with the next rebuild.
          return
        }
      }
    }
    CrashPoint.reach(.afterRename)
  }

  /// The read model in use after a swap, which is made durable.
  func swapped(_ definition: HandlerDefinition) throws(Diagnostic) -> ProjectionStore {
    let path = paths.readModel(definition.name)
    try FileError.told { () throws(FileError) in try files.syncDirectory(paths.readModels) }
    CrashPoint.reach(.afterSwap)
    return try told(path) { () throws(StoreOpeningError) in try ProjectionStore.open(path: path, vfs: vfs) }
  }

  /// Makes the former read model the one that is on its way to take the place of the one in use. It keeps its
  /// name too, until it has that place, so that it is still the former one should it not come to that.
  func takeUpPrevious(_ name: String) throws(Diagnostic) {
    let (previous, beside) = (paths.previous(name), paths.rebuilding(name))
    try mendSwap(name)
    guard try exists(previous) else { return }
    try discardBeside(name)
    try FileError.told { () throws(FileError) in
      try moveLog(of: previous, to: beside)
      do throws(FileError) { try files.link(previous, to: beside) } catch {
        guard StoreKeeper.oneNameOnly.contains(error.errno) else { throw error }
        try files.rename(previous, to: beside)
      }
      try files.syncDirectory(paths.readModels)
    }
    CrashPoint.reach(.duringRollback)
  }

  /// Drops what was rebuilt and is not wanted any more. The former read model stays that.
  func discardBeside(_ name: String) throws(Diagnostic) {
    let (beside, previous) = (paths.rebuilding(name), paths.previous(name))
    try FileError.told { () throws(FileError) in
      if let own = try files.status(beside), let kept = try files.status(previous),
        own.inode == kept.inode, own.device == kept.device
      {
        try moveLog(of: beside, to: previous)
      }
      for ending in ["", "-wal", "-shm"] { try files.remove(beside + ending) }
    }
  }

  /// What a process left that was killed between the names of a swap: the file in use has its old name and a
  /// second one, and its write-ahead log perhaps only that of the second.
  func mendSwap(_ name: String) throws(Diagnostic) {
    let (path, previous) = (paths.readModel(name), paths.previous(name))
    try FileError.told { () throws(FileError) in
      guard let own = try files.status(path), let kept = try files.status(previous),
        own.inode == kept.inode, own.device == kept.device
      else { return }
      // Somebody who opened the file since has made a log of his own: then the read model goes on from where
      // the file itself is, a little earlier.
      if try files.status(path + "-wal") == nil, try files.status(previous + "-wal") != nil {
        try moveLog(of: previous, to: path)
      }
      for ending in ["-wal", "-shm", ""] { try files.remove(previous + ending) }
      try files.syncDirectory(paths.readModels)
    }
  }

  /// EPERM, EMLINK, ENOSYS, EOPNOTSUPP of Linux: what a link fails with where files have one name.
  static let oneNameOnly: Set<Int32> = [1, 31, 38, 95]

  /// Gives a read model a second name.
  private func keep(_ path: String, as previous: String) throws(Diagnostic) {
    do throws(FileError) { try files.link(path, to: previous) } catch {
      guard vfs == nil, StoreKeeper.oneNameOnly.contains(error.errno) else { throw error.diagnostic }
      // Not byte by byte: closing a file gives up the locks that SQLite has on it.
      try StoreError.told { () throws(StoreError) in try StoreCopy.make(of: path, at: previous) }
    }
  }

  /// Brings the write-ahead log into a file that is to get another name.
  func gather(_ path: String) throws(FileError) {
    guard try files.status(path) != nil else { return }
    do throws(StoreError) { try StoreReader.gather(path, vfs: vfs) } catch {
      // The log follows the file then; what is wrong with it is told by who goes on with it.
      return
    }
  }

  /// The write-ahead log of a file follows it to another name, with the index of it: who has the file open
  /// keeps both, and who opens it by the new name has to meet him there. The index comes first: after a kill
  /// in between it is made anew from the log, and a log without its own index is never read by another's.
  func moveLog(of old: String, to new: String) throws(FileError) {
    for ending in ["-shm", "-wal"] where try files.status(old + ending) != nil {
      try files.rename(old + ending, to: new + ending)
    }
  }

  /// While nobody opens a store of that folder.
  func alone(in folder: String, _ body: () throws(FileError) -> Void) throws(FileError) {
    guard vfs == nil else { return try body() }
    try SwapLock.swapping(in: folder, body)
  }
}

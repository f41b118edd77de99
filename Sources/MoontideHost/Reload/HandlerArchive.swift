import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Puts the file of a handler away that is not defined any more. Nothing is ever deleted.
struct HandlerArchive {
  let paths: ProjectPaths
  let files: any FileSystem
  let clock: any WallClock

  /// What a consumer or a saga that has stopped leaves undone, such as `2 dead letters`; empty: nothing.
  func unfinished(_ definition: HandlerDefinition) throws(Diagnostic) -> [String] {
    let path = file(definition.kind, definition.name)
    guard definition.kind != .projection,
      try FileError.told({ () throws(FileError) in try files.status(path) }) != nil
    else { return [] }
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      return try StoreOpeningError.told { () throws(StoreError) in
        let ledger = try reader.ledger()
        let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
        let open =
          definition.kind == .saga
          ? try reader.openSagas(except: "", after: nil, limit: Limits.readRecordsMax).count : 0
        let counts: [(Int, String)] = [
          (held, "held event"), (ledger.deadLetters, "dead letter"),
          (Int(try reader.outboxCount()), "event in its outbox"),
          (Int(try reader.effectCounts().open), "open effect"), (open, "open instance"),
        ]
        return counts.filter { $0.0 > 0 }.map { Counted.text($0.0, $0.1) }
      }
    } catch {
      if case .empty = error { return [] }
      throw error.diagnostic(path)
    }
  }

  /// Where the files of a handler are now, below the project.
  struct Place {
    /// Nil when it had none.
    var file: String?
    /// The read model that `projection rollback` would have gone back to; nil when there was none.
    var former: String?
  }

  /// Moves the files of a handler that has stopped: its store, and of a projection the former read model too.
  /// What was folded beside a read model and never served is dropped.
  func putAway(_ kind: HandlerKind, _ name: String) throws(Diagnostic) -> Place {
    let path = file(kind, name)
    let keeper = StoreKeeper(paths: paths, files: files)
    if kind == .projection {
      try keeper.mendSwap(name)
      try keeper.discardBeside(name)
    }
    return try FileError.told { () throws(FileError) -> Place in
      let target = try free(name)
      var place = Place()
      if kind == .projection {
        let former = target.dropLast(".sqlite".count) + ".former.sqlite"
        place.former = try move(paths.previous(name), to: String(former), keeper)
      }
      place.file = try move(path, to: target, keeper)
      if place.file == nil, place.former == nil { return place }
      if kind == .projection { try ReadModelSeal.remove(path, files) }
      try files.syncDirectory(paths.archive)
      try files.syncDirectory(kind == .projection ? paths.readModels : paths.handlerFiles)
      return place
    }
  }

  /// Where to, below the project; nil when nothing is there.
  private func move(
    _ path: String, to target: String, _ keeper: StoreKeeper
  ) throws(FileError) -> String? {
    guard try files.status(path) != nil else { return nil }
    try files.createDirectory(paths.archive)
    try keeper.alone(in: ProjectBackup.folder(of: path)) { () throws(FileError) in
      // The write-ahead log first: without it the file would seem whole, and be older than it was.
      if let tail = try files.status(path + "-wal"), tail.bytes > 0 {
        try files.rename(path + "-wal", to: target + "-wal")
      }
      try files.rename(path, to: target)
      // What a reader left: an empty log, and the index of it.
      for ending in ["-wal", "-shm"] { try files.remove(path + ending) }
    }
    return paths.relative(target)
  }

  private func file(_ kind: HandlerKind, _ name: String) -> String {
    kind == .projection ? paths.readModel(name) : paths.handlerFile(name)
  }

  /// `data/archive/NAME-20261123T231500Z.sqlite`, or with a number behind it.
  private func free(_ name: String) throws(FileError) -> String {
    let time = EventTime(microseconds: clock.now.microseconds / 1_000_000 * 1_000_000).description
      .filter { $0.isNumber || $0 == "T" || $0 == "Z" }
    var number = 1
    while true {
      let path = "\(paths.archive)/\(name)-\(time)\(number == 1 ? "" : "-\(number)").sqlite"
      if try files.status(path) == nil { return path }
      number += 1
    }
  }
}

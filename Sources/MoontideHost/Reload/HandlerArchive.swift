import MoontideCore
import MoontideLog
import MoontideRuntime
import MoontideSQLite

/// Puts the file of a handler away that is not defined any more, and back once it is. Nothing is ever
/// deleted.
///
/// A file moves by a second name: it gets the new one, its write-ahead log follows, then the old name goes.
/// So it is there at every moment, and one with two names was on its way when a process died (`mend`). For
/// who holds the project; `returning` reads alone.
struct HandlerArchive {
  let paths: ProjectPaths
  let files: any FileSystem
  /// What the files are folds of; nil where that is not looked at.
  var log: SegmentedLog?

  init(paths: ProjectPaths, files: any FileSystem, log: SegmentedLog? = nil) {
    self.paths = paths
    self.files = files
    self.log = log
  }

  init(_ project: MoontideProject) {
    self.init(paths: project.paths, files: project.files, log: project.segmentedLog)
  }

  /// What a consumer or a saga that has stopped leaves undone, such as `2 dead letters`; empty: nothing.
  func unfinished(_ definition: HandlerDefinition) throws(Diagnostic) -> [String] {
    try unfinished(definition.kind, definition.name)
  }

  func unfinished(_ kind: HandlerKind, _ name: String) throws(Diagnostic) -> [String] {
    let path = place(kind, name)
    guard kind != .projection, try exists(path) else { return [] }
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      return try StoreOpeningError.told { () throws(StoreError) in
        let ledger = try reader.ledger()
        let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
        let open =
          kind == .saga
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

  // MARK: Away

  /// Where the files of a handler are now, below the project.
  struct Place {
    /// Nil when it had none.
    var file: String?
    /// The read model that `projection rollback` would have gone back to; nil when there was none.
    var former: String?
  }

  /// Moves the files of a handler that has stopped: its store, and of a projection the former read model too.
  /// What was folded beside a read model and never served is dropped.
  func putAway(_ kind: HandlerKind, _ name: String, at now: EventTime) throws(Diagnostic) -> Place {
    let path = place(kind, name)
    try mend(path, try kept(name))
    if kind == .projection {
      let keeper = StoreKeeper(paths: paths, files: files)
      try keeper.mendSwap(name)
      try keeper.discardBeside(name)
    }
    let target = try free(name, at: now)
    let former = kind == .projection ? paths.previous(name) : nil
    var put = Place()
    if let former, try exists(former) { put.former = paths.relative(self.former(target)) }
    if try exists(path) { put.file = paths.relative(target) }
    if put.file == nil, put.former == nil { return put }
    try FileError.told { () throws(FileError) in
      try files.createDirectory(paths.archive)
      try files.syncDirectory(paths.data)
      if let former, put.former != nil { try move(former, to: self.former(target)) }
      if put.file != nil { try move(path, to: target, passing: .duringArchive) }
      if kind == .projection { try ReadModelSeal.remove(path, files) }
    }
    CrashPoint.reach(.afterArchive)
    return put
  }

  // MARK: Back

  /// A file that was put away.
  struct Stored: Sendable, Hashable {
    let path: String
    /// Below the project.
    let name: String
    /// The next position that its handler has not come past.
    let position: Position
    /// Of the script that it was last at work by.
    let version: String

    /// What is told of it at the start of a run.
    func note(_ definition: HandlerDefinition) -> Diagnostic {
      Diagnostic(
        .note, code: HostCode.archived.code,
        "\(definition.kind.rawValue) \(definition.name) is back: it goes on from \(position) with \(name)")
    }
  }

  /// What a definition without a file goes on with when it begins: the file that was put away last under its
  /// kind and name, or the name that it says it had before, of this log; of a projection the last of its
  /// version. Nil: it begins anew.
  /// - Parameter isFree: the file that has its name now is about to go.
  /// - Throws: of a consumer or a saga, when that one cannot be gone on with: it knows what exists nowhere
  ///   else.
  func returning(_ definition: HandlerDefinition, isFree: Bool = false) throws(Diagnostic) -> Stored? {
    let names = [definition.name, definition.was].compactMap { $0 }
    if !isFree {
      for name in names where try exists(place(definition.kind, name)) { return nil }
    }
    var found: [Kept] = []
    for name in names { found += try kept(name) }
    for file in found.sorted(by: { $0.order > $1.order }) {
      if let stored = try look(file.path, definition) { return stored }
    }
    return nil
  }

  /// Puts that file back; nil when there is none, or its own is in its place.
  func takeBack(_ definition: HandlerDefinition) throws(Diagnostic) -> Stored? {
    let path = place(definition.kind, definition.name)
    try mend(definition)
    guard let stored = try returning(definition) else { return nil }
    try FileError.told { () throws(FileError) in
      try files.createDirectory(folder(of: path))
      // What it says of another file it must not say of this one.
      if definition.kind == .projection {
        try ReadModelSeal.remove(path, files)
        let (former, previous) = (former(stored.path), paths.previous(definition.name))
        if try files.status(former) != nil, try files.status(previous) == nil {
          try move(former, to: previous)
        }
      }
      try move(stored.path, to: path, passing: .duringReturn)
    }
    CrashPoint.reach(.afterReturn)
    return stored
  }

  /// Makes good what a process left that was killed while it moved the file of that one.
  func mend(_ definition: HandlerDefinition) throws(Diagnostic) {
    for name in [definition.name, definition.was].compactMap({ $0 }) {
      try mend(place(definition.kind, name), try kept(name))
    }
  }

  func hasFile(_ definition: HandlerDefinition) throws(Diagnostic) -> Bool {
    try exists(place(definition.kind, definition.name))
  }

  /// How far the file is that it has already; nil without one, or with one that its handler is to judge.
  func standing(_ definition: HandlerDefinition) throws(Diagnostic) -> Stored? {
    let path = place(definition.kind, definition.name)
    guard try exists(path) else { return nil }
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      let ledger = try StoreOpeningError.told { () throws(StoreError) in try reader.ledger() }
      return Stored(
        path: path, name: paths.relative(path), position: ledger.checkpoints.values.min() ?? .start,
        version: reader.identity.scriptVersion)
    } catch {
      // Whoever opens it to go on with it says what is wrong with it.
      return nil
    }
  }

  /// Says of those that a plan adds which file they go on with.
  func mark(_ plan: inout ReloadPlan, _ definitions: [HandlerDefinition]) throws(Diagnostic) {
    for step in plan.steps where step.change == .added {
      guard let definition = definitions.first(where: { step.isAbout($0) }) else { continue }
      guard let stored = try returning(definition, isFree: plan.frees(step)) else { continue }
      plan.goesOn(step.kind, step.name, with: stored.name)
    }
  }

  private func look(_ path: String, _ definition: HandlerDefinition) throws(Diagnostic) -> Stored? {
    let isDerived = definition.kind == .projection
    var fault: Diagnostic
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      let identity = reader.identity
      guard identity.kind == definition.kind, [definition.name, definition.was].contains(identity.handler),
        !isDerived || identity.scriptVersion == definition.scriptVersion
      else { return nil }
      let (mark, ledger) = try StoreOpeningError.told { () throws(StoreError) in
        (try reader.logMark(), try reader.ledger())
      }
      // Of another log: what happened to other events is not asked here.
      if let log, let mark, mark != log.mark { return nil }
      let last = ledger.checkpoints.values.max() ?? .start
      let end = log?.durableEnd ?? last
      if last <= end {
        return Stored(
          path: path, name: paths.relative(path), position: ledger.checkpoints.values.min() ?? .start,
          version: identity.scriptVersion)
      }
      fault = Diagnostic(
        .storeSwapped, "\(paths.relative(path)) has come to \(last), and the log ends at \(end)",
        help: HostCode.storeSwapped.mend)
    } catch {
      if case .empty = error { return nil }
      if isDerived, case .store(.damaged) = error { return nil }
      fault = error.diagnostic(path)
    }
    if isDerived, fault.code == HostCode.storeSwapped.code { return nil }
    throw fault.adding(
      "state",
      "\(definition.kind.rawValue) \(definition.name) is back and would go on with it; with the file moved "
        + "out of data/archive it begins anew, and handles its events once more")
  }

  // MARK: Files

  private func move(
    _ path: String, to target: String, passing point: CrashPoint? = nil
  ) throws(FileError) {
    let keeper = StoreKeeper(paths: paths, files: files)
    try keeper.gather(path)
    let inUse = [path, target].first { !$0.hasPrefix(paths.archive + "/") } ?? path
    // Whoever opens it by its name in use finds it with its write-ahead log, or not at all.
    try SwapLock.swapping(in: folder(of: inUse)) { () throws(FileError) in
      var isLinked = true
      do throws(FileError) { try files.link(path, to: target) } catch {
        guard StoreKeeper.oneNameOnly.contains(error.errno) else { throw error }
        isLinked = false
      }
      try moveLog(path, to: target)
      if !isLinked { try files.rename(path, to: target) }
      try files.syncDirectory(folder(of: target))
      if let point { CrashPoint.reach(point) }
      try files.remove(path)
      // What a reader left: an empty log, and the index of it.
      for ending in ["-wal", "-shm"] { try files.remove(path + ending) }
      try files.syncDirectory(folder(of: path))
    }
  }

  /// The write-ahead log, also an empty one that somebody may be reading by.
  private func moveLog(_ path: String, to target: String) throws(FileError) {
    guard try files.status(path + "-wal") != nil else { return }
    try files.remove(target + "-shm")
    try StoreKeeper(paths: paths, files: files).moveLog(of: path, to: target)
  }

  /// What a process left that was killed between the names of a move, either way: the file stays in use, with
  /// its write-ahead log.
  private func mend(_ path: String, _ kept: [Kept]) throws(Diagnostic) {
    try FileError.told { () throws(FileError) in
      guard let own = try files.status(path) else { return }
      for file in kept {
        guard let other = try files.status(file.path), own.inode == other.inode, own.device == other.device
        else { continue }
        // Nobody writes a file with two names; should somebody have, his log counts.
        if try files.status(path + "-wal")?.bytes ?? 0 == 0 { try moveLog(file.path, to: path) }
        try files.syncDirectory(folder(of: path))
        for ending in ["", "-wal", "-shm"] { try files.remove(file.path + ending) }
        try files.syncDirectory(paths.archive)
      }
    }
  }

  private func exists(_ path: String) throws(Diagnostic) -> Bool {
    try FileError.told { () throws(FileError) in try files.status(path) != nil }
  }

  private func place(_ kind: HandlerKind, _ name: String) -> String {
    kind == .projection ? paths.readModel(name) : paths.handlerFile(name)
  }

  private func folder(of path: String) -> String {
    path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
  }

  // MARK: Names

  /// Of the read model that was put away, the one that it took the place of.
  private func former(_ path: String) -> String { path.dropLast(".sqlite".count) + ".former.sqlite" }

  /// A file of the archive: `NAME-20261123T231500Z.sqlite`, or with a number before the ending.
  private struct Kept {
    let path: String
    let order: Order
  }

  /// Later ones are greater.
  private struct Order: Comparable {
    var time: String
    var number: Int

    static func < (a: Order, b: Order) -> Bool { (a.time, a.number) < (b.time, b.number) }
  }

  /// All files that were put away under that name, of whatever kind.
  private func kept(_ name: String) throws(Diagnostic) -> [Kept] {
    let names = try FileError.told { () throws(FileError) in
      try files.status(paths.archive) == nil ? [] : try files.list(paths.archive)
    }
    return names.compactMap { file in
      guard file.hasPrefix(name + "-"), file.hasSuffix(".sqlite"), !file.hasSuffix(".former.sqlite") else {
        return nil
      }
      let parts = file.dropFirst(name.utf8.count + 1).dropLast(".sqlite".utf8.count).split(separator: "-")
      guard let time = parts.first, parts.count <= 2 else { return nil }
      guard let number = parts.count == 2 ? Int(parts[1]) : 1 else { return nil }
      return Kept(path: "\(paths.archive)/\(file)", order: Order(time: String(time), number: number))
    }
  }

  /// Behind all that were put away before, also when the clock was put back since.
  private func free(_ name: String, at now: EventTime) throws(Diagnostic) -> String {
    let time = EventTime(microseconds: now.microseconds / 1_000_000 * 1_000_000).description
      .filter { $0.isNumber || $0 == "T" || $0 == "Z" }
    var order = Order(time: time, number: 1)
    if let last = try kept(name).map(\.order).max(), last >= order {
      order = Order(time: last.time, number: last.number + 1)
    }
    return "\(paths.archive)/\(name)-\(order.time)\(order.number == 1 ? "" : "-\(order.number)").sqlite"
  }
}

extension ReloadPlan.Step {
  func isAbout(_ definition: HandlerDefinition) -> Bool {
    definition.name == name && definition.kind.rawValue == kind.rawValue
  }
}

extension ReloadPlan {
  /// Whether the file that has the name of an added one is put away first.
  func frees(_ added: Step) -> Bool {
    added.kind.keepsState
      && steps.contains { $0.change == .removed && $0.kind.keepsState && $0.name == added.name }
  }
}

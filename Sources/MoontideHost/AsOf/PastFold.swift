import MoontideCore
import MoontideLog
import MoontideLua
import MoontideRuntime
import MoontideSQLite

/// Makes one read model as of a past moment: takes a kept fold that is just that, or goes on from the nearest
/// one, keeping marks on the way. One thread, with a stack of 2 MiB or more.
struct PastFold {
  /// A read model as of a moment.
  struct Folded {
    var path: String
    /// The first event that its script could not handle, and how many there are.
    var degradedSince: Position?
    var setAside: Int
  }

  let definition: HandlerDefinition
  let catalog: ProjectCatalog
  let log: LogReader
  let view: PastView
  let outline: TimeOutline?
  let cache: FoldCache
  let clock: any WallClock
  let randomness: any Randomness

  /// Without room on the disk the kept folds make some, and no marks are left: they only save time. Whoever
  /// deletes the cache meanwhile costs as much again.
  /// - Parameter progress: told the position reached and the last one; what it throws ends the fold.
  func run(_ progress: (UInt64, UInt64) throws(Diagnostic) -> Void) throws(Diagnostic) -> Folded {
    var leavesMarks = true
    for attempts in 1...Limits.foldTriesMax {
      do throws(Diagnostic) {
        // Another process may remove a fold before it is opened here.
        if let folded = try attempt(progress, leavesMarks: leavesMarks) { return folded }
      } catch {
        let goesOn = try FileError.told { () throws(FileError) -> Bool in
          if try cache.isGone() { return true }
          return error.isPassing ? try cache.makeRoom() : false
        }
        guard goesOn, attempts < Limits.foldTriesMax else { throw error }
        leavesMarks = false
      }
    }
    throw Diagnostic(
      .file, "the folds of \(definition.name) are removed as soon as they are made", help: "ask again")
  }

  /// Nil when the fold was removed before it was opened.
  private func attempt(
    _ progress: (UInt64, UInt64) throws(Diagnostic) -> Void, leavesMarks: Bool
  ) throws(Diagnostic) -> Folded? {
    let kept = try FileError.told { () throws(FileError) in
      try cache.kept(log: log.identity, scriptVersion: scriptVersion)
    }
    let whole = MomentLog(log, PastView(whole: log), outline: outline)
    let decisions = try LogError.told { () throws(LogError) in
      try PastDecisions(of: definition.identityName, in: whole, before: view.end)
    }
    let work = try cache.work()
    do throws(Diagnostic) {
      var base: FoldCache.Kept?
      for candidate in kept.reversed() where try fits(candidate, decisions) {
        let isAnswer = log(of: candidate.note.span).isPast(candidate.note.position)
        let isSound = try FileError.told { () throws(FileError) in
          guard isAnswer else { return try cache.copy(candidate, to: work) }
          // First, so that nobody takes it for one that goes.
          try cache.touch(candidate)
          return try cache.isSound(candidate)
        }
        guard isSound else { continue }
        base = candidate
        guard isAnswer else { break }
        try FileError.told { () throws(FileError) in try cache.drop(work) }
        return try folded(cache.path(candidate.name))
      }
      return try fold(work, from: base, leavesMarks ? kept : nil, decisions, progress)
    } catch {
      try FileError.told { () throws(FileError) in try cache.drop(work) }
      throw error.isPassing ? error.asFault : error
    }
  }

  /// What makes its rows beside the events: the scripts, the budget that an event may have been set aside
  /// for, and who folds.
  private var scriptVersion: String {
    definition.version.adding(catalog.defaults.budget.instructions)
      .adding(UInt64(catalog.defaults.budget.memoryBytes)).adding(MoontideVersion.text).description
  }

  private func log(of span: FoldSpan) -> MomentLog {
    MomentLog(log, view, outline: outline, span: span) { definition.listens(to: $0) }
  }

  private func fits(_ kept: FoldCache.Kept, _ decisions: PastDecisions) throws(Diagnostic) -> Bool {
    let note = kept.note
    guard note.position <= view.end, note.span.stands(for: view.latest),
      decisions.agree(with: note.decided, before: note.position)
    else { return false }
    let fingerprint = try LogError.told { () throws(LogError) in try log.fingerprint(before: note.position) }
    if fingerprint ?? .zero == note.fingerprint { return true }
    // Of a history that this log does not have: it was restored from a backup and went on.
    try FileError.told { () throws(FileError) in try cache.remove(kept.name) }
    return false
  }

  /// Nil when it is not there.
  private func folded(_ path: String) throws(Diagnostic) -> Folded? {
    do throws(StoreOpeningError) {
      let reader = try StoreReader(path: path)
      let ledger = try StoreOpeningError.told { () throws(StoreError) in try reader.ledger() }
      return Folded(path: path, degradedSince: ledger.degradedSince, setAside: ledger.deadLetters)
    } catch {
      let isGone = try FileError.told { () throws(FileError) in try cache.files.status(path) == nil }
      if isGone { return nil }
      throw error.diagnostic(path)
    }
  }

  // MARK: Folding

  /// - Parameter kept: what is there, to leave marks between; nil to leave none.
  private func fold(
    _ work: FoldCache.Work, from base: FoldCache.Kept?, _ kept: [FoldCache.Kept]?, _ decisions: PastDecisions,
    _ progress: (UInt64, UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Folded? {
    let moment = log(of: base?.note.span ?? FoldSpan())
    let near = (kept ?? []).filter { $0.note.span.stands(for: view.latest) }
    var marks = FoldMarks(near.map(\.note.position), logEnd: log.durableEnd)
    let isMark = { (position: Position) in
      kept != nil && marks.isDue(at: position, moment.span)
        && moment.isWide(moment.span, records: marks.interval)
    }
    try fold(work, base, moment, decisions, batch: marks.batchRecords) { position throws(Diagnostic) in
      try progress(position.value, moment.durableEnd.value)
      guard position < moment.durableEnd, isMark(position) else { return }
      let note = try describe(position, moment.span, decisions, .mark)
      try FileError.told { () throws(FileError) in
        let kept = try cache.kept(log: log.identity, scriptVersion: scriptVersion)
        guard try cache.admits(note, of: work, beside: kept, bytesMax: bytesMax) else { return }
        try cache.keepCopy(of: work, note)
      }
      marks.note(position)
    }
    let end = moment.durableEnd
    let role: FoldNote.Role = isMark(end) ? .mark : .answer
    let note = try describe(end, moment.span, decisions, role)
    let name = try FileError.told { () throws(FileError) in
      let name = try cache.keep(work, note).name
      let all = try cache.kept(log: log.identity, scriptVersion: scriptVersion)
      try cache.prune(all, keeping: name, bytesMax: bytesMax)
      return name
    }
    return try folded(cache.path(name))
  }

  /// Of all that is kept of one read model.
  private var bytesMax: UInt64 { max(Limits.foldBytesFloor, log.bytes * 2) }

  private func describe(
    _ position: Position, _ span: FoldSpan, _ decisions: PastDecisions, _ role: FoldNote.Role
  ) throws(Diagnostic) -> FoldNote {
    let fingerprint = try LogError.told { () throws(LogError) in try log.fingerprint(before: position) }
    return FoldNote(
      log: log.identity, scriptVersion: scriptVersion, position: position,
      fingerprint: fingerprint ?? .zero, span: span, decided: decisions.count, role: role)
  }

  /// Folds to the end of the view. `reached` is called between commits, with everything before its position
  /// in the file.
  private func fold(
    _ work: FoldCache.Work, _ base: FoldCache.Kept?, _ moment: MomentLog, _ decisions: PastDecisions,
    batch: Int, reached: (Position) throws(Diagnostic) -> Void
  ) throws(Diagnostic) {
    let store = try open(work, base, decisions.count)
    let tripped = TimeTrip()
    var surroundings = HandlerSurroundings(
      clock: clock, randomness: randomness, report: { tripped.note($0) }, print: { _, _, _ in })
    surroundings.batchRecords = batch
    let board = StatusBoard(definition, lane: 0)
    let worker = try HandlerWorker(
      definition, lane: 0, catalog: catalog, log: moment, store: store, surroundings: surroundings,
      board: board)
    while true {
      let outcome = worker.step()
      // What it would set aside for its time would be another thing on another day.
      if let fault = tripped.fault { throw fault }
      switch outcome {
      case .progressed:
        worker.settle()
        try reached(worker.position)
      case .finished: throw board.status.halted ?? Diagnostic(.storeDamaged, "the fold ended early")
      case .idle:
        // Nobody waits for an answer: what is short is told.
        if let waiting = board.status.waiting { throw waiting }
        worker.settle()
        return
      }
    }
  }

  private func open(
    _ work: FoldCache.Work, _ base: FoldCache.Kept?, _ decided: Int
  ) throws(Diagnostic) -> ProjectionStore {
    do throws(StoreOpeningError) {
      guard let base else {
        return try ProjectionStore.create(
          path: work.path, schema: definition.schema ?? "",
          identity: StoreIdentity(
            handler: definition.name, kind: .projection, scriptVersion: definition.scriptVersion),
          decided: decided, bulk: true)
      }
      let store = try ProjectionStore.open(path: work.path, bulk: true)
      if base.note.decided != decided {
        try StoreOpeningError.told { () throws(StoreError) in try store.follow(decided: decided) }
      }
      return store
    } catch { throw error.diagnostic(work.path) }
  }
}

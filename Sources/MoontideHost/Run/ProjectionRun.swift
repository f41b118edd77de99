package import MoontideCore
package import MoontideRuntime
package import MoontideSQLite

/// One version of a projection at work: its worker, and, while it is folded beside the read model in use, the
/// way to the moment at which it takes its place. Owned by its thread.
package final class ProjectionRun: ClosingWorker {
  private enum Stage {
    /// Its file is the read model in use.
    case serving
    /// It is on its way to where the log ended when it began.
    case folding
    /// It has come there, and its file was looked through.
    case proven(ReadModelSeal)
  }

  private let definition: HandlerDefinition
  private let keeper: StoreKeeper
  private let log: any EventLog
  private let makeWorker: (any EffectStore, _ isBeside: Bool) throws(Diagnostic) -> HandlerWorker
  private let board: StatusBoard
  private let signs: ProjectionSigns
  private let report: @Sendable (Diagnostic) -> Void
  /// The version that serves until this one takes its place; nil when none does.
  private var predecessor: (any ServingVersion)?
  /// Whether it goes on with the read model in use as that stands.
  private let isResumed: Bool
  /// The file that it works on: the read model in use, or the one beside it; nil after a failed swap.
  package private(set) var store: ProjectionStore?
  private var worker: HandlerWorker?
  private var stage = Stage.serving
  /// Where the log ended when the rebuild began.
  private var target = Position.start
  /// Whether it was reported that there is no room.
  private var isTold = false
  private var hasMended = false
  /// Whether batches are written while the next one is handled; not again once one of them could not be.
  private var commitsLate = true
  /// Whether the read model in use is known to be broken.
  private var isDamaged = false
  /// What it leaves on the disk to all that is live.
  private var room: RebuildRoom
  /// Whether it has claimed the file beside the read model in use, which it serves.
  private var holdsBeside = false
  /// What it is to begin with beside the one in use.
  private let first: StoreKeeper.Beside
  /// The same for the next time that it begins.
  private var beginning: StoreKeeper.Beside
  private let turn: RebuildTurns.Turn

  /// - Parameters:
  ///   - predecessor: what serves, and is kept up, while this version is folded beside; without one this is
  ///     the version that serves as soon as it can.
  ///   - isResumed: it serves, and goes on with the read model in use as that stands.
  ///   - beside: what it begins with when it is folded beside.
  ///   - turns: asked before anything is folded beside; nil: nobody else does.
  ///   - makeWorker: its worker over a store; beside the one in use nobody waits for single rows.
  package init(
    _ definition: HandlerDefinition, keeper: StoreKeeper, log: any EventLog, board: StatusBoard,
    signs: ProjectionSigns, predecessor: (any ServingVersion)? = nil, isResumed: Bool = false,
    beside: StoreKeeper.Beside = .known, turns: RebuildTurns? = nil,
    report: @escaping @Sendable (Diagnostic) -> Void,
    makeWorker: @escaping (any EffectStore, _ isBeside: Bool) throws(Diagnostic) -> HandlerWorker
  ) throws(Diagnostic) {
    self.definition = definition
    self.keeper = keeper
    self.log = log
    self.board = board
    self.signs = signs
    self.predecessor = predecessor
    self.isResumed = isResumed
    self.report = report
    self.makeWorker = makeWorker
    (first, beginning) = (beside, beside)
    turn = RebuildTurns.Turn(turns)
    room = RebuildRoom(keeper, definition.name)
    // Beside another version it begins when it is its turn.
    if predecessor == nil { try open() }
  }

  /// Opens the read model, or one beside it that is to replace it.
  private func open() throws(Diagnostic) {
    let decided = try LogError.told { () throws(LogError) in
      try Rulings.load(of: definition.identityName, from: log).decisions
    }
    let opened: StoreKeeper.Projection
    if predecessor != nil {
      let beside = try keeper.beside(definition, decided: decided, beginning)
      opened = StoreKeeper.Projection(store: beside, replaces: keeper.paths.readModel(definition.name))
    } else if isResumed, !isDamaged {
      opened = StoreKeeper.Projection(store: try keeper.serving(definition), replaces: nil)
    } else {
      // Should it be rebuilt beside: whoever else wants to has to wait until that is known.
      opened = try keeper.projection(definition, decided: decided, anew: isDamaged)
    }
    if let fault = opened.fault { report(rebuilt(fault)) }
    let isBeside = opened.replaces != nil
    stage = isBeside ? .folding : .serving
    if isBeside { target = log.durableEnd }
    signs.isRebuilding = isBeside
    store = opened.store
    beginning = .known
    signs.lost.isSet = false
    if isBeside, commitsLate, keeper.vfs == nil { opened.store.commitLate(lost: signs.lost) }
    worker = try makeWorker(opened.store, isBeside)
    signs.hasOpened = true
    if !isBeside { releaseBeside() }
  }

  private func claimBeside() -> Bool {
    guard !holdsBeside, signs.claimBeside() else { return false }
    holdsBeside = true
    return true
  }

  private func releaseBeside() {
    if holdsBeside { signs.releaseBeside() }
    holdsBeside = false
  }

  package func step() -> StepOutcome {
    guard !signs.isRebuilding || turn.take() else { return .idle(for: Limits.rebuildTurnPause) }
    do throws(Diagnostic) {
      if try givesWay() { return .idle(for: Limits.fullDiskPause) }
      // Nobody else holds it: what is closed below is closed when it says so.
      guard let outcome = worker?.step() else {
        // A swap met a full disk: whatever it came to, the files say how to go on.
        try open()
        return .progressed
      }
      if signs.lost.isSet { return writeAgain() }
      if outcome == .finished {
        if try mend() { return .progressed }
        tellOfEnd()
      }
      switch stage {
      case .serving: return outcome
      case .folding:
        guard hasCaughtUp(outcome) else { return outcome }
        try prove()
      case .proven(let seal):
        guard hasCaughtUp(outcome) else { return outcome }
        try takePlace(seal)
        isTold = false
      }
      return .progressed
    } catch {
      if signs.lost.isSet { return writeAgain() }
      worker = nil
      store = nil
      guard error.isPassing else {
        report(error)
        tellOfEnd()
        return .finished
      }
      if !isTold { report(error.asWarning) }
      isTold = true
      return .idle(for: Limits.fullDiskPause)
    }
  }

  /// Whether it leaves its room on the disk to what is live, and waits until there is enough for both.
  private func givesWay() throws(Diagnostic) -> Bool {
    guard case .folding = stage else { return false }
    if room.isWaiting {
      guard try room.hasEnough() else { return true }
      beginning = first
      try open()
      return false
    }
    guard worker != nil, try room.isShort() else { return false }
    report(
      try room.giveWay {
        worker = nil
        store = nil
      })
    turn.giveBack()
    return true
  }

  /// A batch could not be written that the worker takes for committed: it is handled again from the file's
  /// last commit, and waited for.
  private func writeAgain() -> StepOutcome {
    commitsLate = false
    worker = nil
    store = nil
    return .progressed
  }

  /// Whether what is left can be done in a moment.
  private func hasCaughtUp(_ outcome: StepOutcome) -> Bool {
    let position = board.status.position
    guard outcome != .finished, board.status.waiting == nil, position >= target else { return false }
    return outcome != .progressed || log.durableEnd.value - position.value <= Limits.swapLagMax
  }

  /// The worker halted: a read model that is damaged is made anew beside, once.
  private func mend() throws(Diagnostic) -> Bool {
    guard !hasMended, predecessor == nil, board.status.halted?.code == RuntimeCode.storeBroken.rawValue,
      keeper.isDamaged(definition), claimBeside()
    else { return false }
    signs.isRebuilding = true
    hasMended = true
    isDamaged = true
    worker = nil
    store = nil
    report(rebuilt("it is damaged"))
    try open()
    return true
  }

  /// The version that serves is not touched by what stops the one beside it.
  private func tellOfEnd() {
    guard predecessor != nil else { return }
    report(
      Diagnostic(
        .rebuild, severity: .warning,
        "the read model of projection \(definition.name) was not rebuilt: its new version stopped at "
          + "\(board.status.position)", details: [.init("state", "the version before it goes on serving")]))
  }

  private func rebuilt(_ fault: String) -> Diagnostic {
    Diagnostic(
      .warning, code: HostCode.storeDamaged.code,
      "the read model of projection \(definition.name) cannot be used: \(fault)",
      details: [
        .init("state", "it is folded anew from the log, beside; until then queries see the old file"),
        .init("help", "nothing needs to be done; moontide explain \(HostCode.storeDamaged.code)"),
      ])
  }

  // MARK: Taking its place

  /// Looks the file through as others will see it; one that was damaged while it was written is made anew,
  /// once.
  private func prove() throws(Diagnostic) {
    worker?.settle()
    try StoreError.told { [store] () throws(StoreError) in try store?.join() }
    do throws(Diagnostic) {
      let seal = try keeper.prove(definition, at: board.status.position)
      // What a person asks for is taken as it is.
      if predecessor != nil, case .known = first, let store { try keeper.refuseWorse(definition, store) }
      stage = .proven(seal)
      CrashPoint.reach(.afterProof)
    } catch {
      guard error.code == HostCode.storeDamaged.code, !hasMended else { throw error }
      hasMended = true
      report(error.asWarning("it is folded anew; until then queries see the old file"))
      worker = nil
      store = nil
      try keeper.discardBeside(definition.name)
      try open()
    }
  }

  private func takePlace(_ seal: ReadModelSeal) throws(Diagnostic) {
    if let predecessor {
      // Nil: it is not wanted any more, and its thread is being asked to end.
      guard let reached = try predecessor.stop() else { return }
      target = max(target, reached)
    }
    do throws(Diagnostic) {
      // Readers never see time go back.
      try goOn(to: target)
      worker?.settle()
      worker = nil
      CrashPoint.reach(.beforeSwap)
      try StoreError.told { [store] () throws(StoreError) in try store?.finish() }
      try StoreError.told { [store] () throws(StoreError) in try store?.emptyLog() }
      try closed()
      try keeper.swap(definition)
    } catch {
      predecessor?.goOn()
      throw error
    }
    let isBesideAnother = predecessor != nil
    turn.giveBack()
    // Nothing else is folded beside before all that this one left there is gone.
    _ = claimBeside()
    signs.isRebuilding = false
    predecessor?.isReplaced()
    predecessor = nil
    stage = .serving
    isDamaged = false
    let new = try keeper.swapped(definition)
    store = new
    worker = try makeWorker(new, false)
    releaseBeside()
    try write(seal, of: new)
    guard isBesideAnother else { return }
    report(
      Diagnostic(
        .rebuild, severity: .note,
        "projection \(definition.name) is rebuilt: version \(definition.scriptVersion) serves from "
          + "\(board.status.position) on"))
  }

  /// Closes the file. SQLite keeps what it knows of a file for as long as a connection to it is open, by
  /// the name that it was opened by: one that outlived the swap would have its next owner here go by an index
  /// that readers in other processes do not see.
  private func closed() throws(Diagnostic) {
    weak let open = store
    store = nil
    guard open == nil else {
      throw Diagnostic(.storeDamaged, "the read model of \(definition.name) is still open in this process")
    }
  }

  private func goOn(to place: Position) throws(Diagnostic) {
    while board.status.position < place {
      switch worker?.step() {
      case nil: preconditionFailure("a rebuild of \(definition.name) has no worker")
      case .progressed: break
      case .idle:
        if let waiting = board.status.waiting { throw waiting }
      case .finished:
        throw board.status.halted ?? Diagnostic(.storeDamaged, "the rebuild of \(definition.name) ended")
      }
    }
  }

  // MARK: Its end

  /// Ends the run: with `settled` the search indexes are brought into the form that depends on the rows
  /// alone.
  package func close(settled: Bool) throws(Diagnostic) {
    // When it cannot, its status says why and has been reported; the next run reads a little again.
    worker?.settle()
    worker = nil
    if signs.isLeaving { return try leave() }
    try StoreError.told { [store] () throws(StoreError) in
      if settled { try store?.settle() }
      try store?.checkpoint()
    }
    if case .serving = stage { try seal() }
    store = nil
  }

  /// Another version is waiting for its place: what readers let be done at once is done, no more.
  private func leave() throws(Diagnostic) {
    try StoreError.told { [store] () throws(StoreError) in
      for _ in 0..<Limits.leavingCheckpointsMax {
        if try store?.checkpointAsReadersAllow() ?? true { break }
      }
    }
    try closed()
  }

  /// Writes the digest of its rows beside the read model, unless the one that is there says the same place.
  private func seal() throws(Diagnostic) {
    guard let store else { return }
    let (path, files) = (keeper.paths.readModel(definition.name), keeper.files)
    let known = try FileError.told { () throws(FileError) in try ReadModelSeal.read(path, files) }
    let seal = try StoreError.told { () throws(StoreError) -> ReadModelSeal? in
      let position = try store.ledger().checkpoints.values.max() ?? .start
      let version = store.identity.scriptVersion
      if let known, known.position == position, known.scriptVersion == version { return nil }
      return ReadModelSeal(scriptVersion: version, position: position, contents: try store.contents())
    }
    guard let seal else { return }
    try FileError.told { () throws(FileError) in try seal.write(path, files) }
  }

  /// Writes what was found when the file was looked through, if it has not gone on since.
  private func write(_ seal: ReadModelSeal, of store: ProjectionStore) throws(Diagnostic) {
    let position = try StoreError.told { () throws(StoreError) in
      try store.ledger().checkpoints.values.max() ?? .start
    }
    guard position == seal.position else { return }
    try FileError.told { () throws(FileError) in
      try seal.write(keeper.paths.readModel(definition.name), keeper.files)
    }
  }
}

/// A worker that has something to do at its end, on its own thread.
package protocol ClosingWorker: Worker {
  func close(settled: Bool) throws(Diagnostic)
}

package import MoontideCore
package import MoontideRuntime
package import MoontideSQLite
import Synchronization

/// A projection at work: its worker, and, while it is rebuilt beside the old read model, the moment at which
/// the new one takes its place. Owned by its thread.
package final class ProjectionRun: ClosingWorker {
  private let definition: HandlerDefinition
  private let keeper: StoreKeeper
  private let log: any EventLog
  private let makeWorker: (any EffectStore) throws(Diagnostic) -> HandlerWorker
  private let board: StatusBoard
  private let rebuilding: RebuildFlag
  private let report: @Sendable (Diagnostic) -> Void
  /// The file that it works on: the read model in use, or the one beside it; nil after a failed swap.
  package private(set) var store: ProjectionStore?
  private var worker: HandlerWorker?
  /// Where the log ended when the rebuild began: there it has caught up.
  private var target: Position?
  /// Whether it was reported that there is no room.
  private var isTold = false
  private var hasMended = false

  package init(
    _ definition: HandlerDefinition, keeper: StoreKeeper, log: any EventLog, board: StatusBoard,
    rebuilding: RebuildFlag, report: @escaping @Sendable (Diagnostic) -> Void,
    makeWorker: @escaping (any EffectStore) throws(Diagnostic) -> HandlerWorker
  ) throws(Diagnostic) {
    self.definition = definition
    self.keeper = keeper
    self.log = log
    self.board = board
    self.rebuilding = rebuilding
    self.report = report
    self.makeWorker = makeWorker
    try open()
  }

  /// Opens the read model, or one beside it that is to replace it.
  private func open(anew: Bool = false) throws(Diagnostic) {
    let decided = try LogError.told { () throws(LogError) in
      try Rulings.load(of: definition.identityName, from: log).decisions
    }
    let opened = try keeper.projection(definition, decided: decided, anew: anew)
    if let fault = opened.fault { report(rebuilt(fault)) }
    target = opened.replaces == nil ? nil : log.durableEnd
    rebuilding.isSet = target != nil
    store = opened.store
    worker = try makeWorker(opened.store)
  }

  package func step() -> StepOutcome {
    do throws(Diagnostic) {
      guard let worker else {
        // A swap met a full disk: whatever it came to, the files say how to go on.
        try open()
        return .progressed
      }
      let outcome = worker.step()
      if outcome == .finished, try mend() { return .progressed }
      guard let target, board.status.position >= target, outcome != .progressed else { return outcome }
      try takePlace()
      isTold = false
      return .progressed
    } catch {
      worker = nil
      store = nil
      guard error.isPassing else {
        report(error)
        return .finished
      }
      if !isTold { report(error.asWarning) }
      isTold = true
      return .idle(for: Limits.fullDiskPause)
    }
  }

  /// The worker halted: a read model that is damaged is made anew beside, once.
  private func mend() throws(Diagnostic) -> Bool {
    guard !hasMended, board.status.halted?.code == RuntimeCode.storeBroken.rawValue,
      keeper.isDamaged(definition)
    else { return false }
    hasMended = true
    worker = nil
    store = nil
    report(rebuilt("it is damaged"))
    try open(anew: true)
    return true
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

  private func takePlace() throws(Diagnostic) {
    worker = nil
    try seal()
    CrashPoint.reach(.beforeSwap)
    try StoreError.told { [store] () throws(StoreError) in try store?.checkpoint() }
    store = nil
    let new = try keeper.swap(definition)
    store = new
    target = nil
    worker = try makeWorker(new)
    rebuilding.isSet = false
  }

  /// Ends the run: with `settled` the search indexes are brought into the form that depends on the rows
  /// alone.
  package func close(settled: Bool) throws(Diagnostic) {
    // When it cannot, its status says why and has been reported; the next run reads a little again.
    worker?.settle()
    worker = nil
    try StoreError.told { [store] () throws(StoreError) in
      if settled { try store?.settle() }
      try store?.checkpoint()
    }
    try seal()
    store = nil
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
}

/// Whether a read model is being rebuilt; read by other threads.
package final class RebuildFlag: Sendable {
  private let flag = Atomic<Bool>(false)

  package init() {}

  package var isSet: Bool {
    get { flag.load(ordering: .acquiring) }
    set { flag.store(newValue, ordering: .releasing) }
  }
}

/// A worker that has something to do at its end, on its own thread.
package protocol ClosingWorker: Worker {
  func close(settled: Bool) throws(Diagnostic)
}

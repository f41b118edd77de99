import MoontideCore
import MoontideRuntime
import MoontideSQLite
import Synchronization

/// A projection at work: its worker, and, while it is rebuilt beside the old read model, the moment at which
/// the new one takes its place. Owned by its thread.
final class ProjectionRun: ClosingWorker {
  private let definition: HandlerDefinition
  private let keeper: StoreKeeper
  private let log: any EventLog
  private let makeWorker: (any EffectStore) throws(Diagnostic) -> HandlerWorker
  private let board: StatusBoard
  private let rebuilding: RebuildFlag
  private let report: @Sendable (Diagnostic) -> Void
  private var store: ProjectionStore?
  private var worker: HandlerWorker?
  /// Where the log ended when the rebuild began: there it has caught up.
  private var target: Position?

  init(
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
    let decided = try LogError.told { () throws(LogError) in
      try Rulings.load(of: definition.identityName, from: log).decisions
    }
    let opened = try keeper.projection(definition, decided: decided)
    store = opened.store
    if opened.replaces != nil { target = log.durableEnd }
    rebuilding.isSet = target != nil
    worker = try makeWorker(opened.store)
  }

  func step() -> StepOutcome {
    guard let worker else { return .finished }
    let outcome = worker.step()
    if let target, board.status.position >= target, outcome != .progressed {
      do throws(Diagnostic) {
        try takePlace()
        return .progressed
      } catch {
        report(error)
        return .finished
      }
    }
    return outcome
  }

  private func takePlace() throws(Diagnostic) {
    worker = nil
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
  func close(settled: Bool) throws(Diagnostic) {
    // When it cannot, its status says why and has been reported; the next run reads a little again.
    worker?.settle()
    worker = nil
    try StoreError.told { [store] () throws(StoreError) in
      if settled { try store?.settle() }
      try store?.checkpoint()
    }
    store = nil
  }
}

/// Whether a read model is being rebuilt; read by other threads.
final class RebuildFlag: Sendable {
  private let flag = Atomic<Bool>(false)
  var isSet: Bool {
    get { flag.load(ordering: .acquiring) }
    set { flag.store(newValue, ordering: .releasing) }
  }
}

/// A worker that has something to do at its end, on its own thread.
protocol ClosingWorker: Worker {
  func close(settled: Bool) throws(Diagnostic)
}

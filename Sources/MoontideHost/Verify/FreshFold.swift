import MoontideCore
import MoontideLog
import MoontideLua
import MoontideRuntime
import MoontideSQLite

/// Folds a log from its start into a file of its own, through one projection: no lock, no effects, nothing
/// but the file is changed. One thread, with a stack of 2 MiB or more.
struct FreshFold {
  /// How it ended.
  enum Outcome {
    /// At the end of the log.
    case whole
    /// A script that says `exhausted = "halt"` set an event aside and stopped; with the position after it.
    case halted(at: Position, Diagnostic)
  }

  let definition: HandlerDefinition
  let catalog: ProjectCatalog
  let log: any EventLog
  /// How many decisions about its dead letters the rows follow: the first ones of the log.
  let decided: Int
  /// Told of fields that the script asked events for in vain; on this thread.
  var missed: @Sendable (MissedField) -> Void = { _ in }

  /// - Parameters:
  ///   - path: where nothing is yet; closed afterwards.
  ///   - progress: told positions folded and in all; what it throws ends the fold.
  func run(
    to path: String, _ progress: (UInt64, UInt64) throws(Diagnostic) -> Void
  ) throws(Diagnostic) -> Outcome {
    let store: ProjectionStore
    do throws(StoreOpeningError) {
      store = try ProjectionStore.create(
        path: path, schema: definition.schema ?? "",
        identity: StoreIdentity(
          handler: definition.name, kind: .projection, scriptVersion: definition.scriptVersion),
        decided: decided, bulk: true)
    } catch { throw error.diagnostic(path) }
    let board = StatusBoard(definition, lane: 0)
    let tripped = TimeTrip()
    var surroundings = HandlerSurroundings(
      clock: SystemSurroundings.clock, randomness: SystemSurroundings.randomness,
      report: { tripped.note($0) }, print: { _, _, _ in })
    surroundings.missed = missed
    let worker = try HandlerWorker(
      definition, lane: 0, catalog: catalog, log: log, store: store, surroundings: surroundings, board: board)
    while true {
      let outcome = worker.step()
      if let fault = tripped.fault { throw fault }
      switch outcome {
      case .progressed: try progress(board.status.position.value, log.durableEnd.value)
      case .finished:
        let fault = board.status.halted ?? Diagnostic(.storeDamaged, "the fold ended early")
        guard definition.exhausted == .halt, let since = board.status.degradedSince else { throw fault }
        return .halted(at: since.next, fault)
      case .idle:
        if let waiting = board.status.waiting { throw waiting }
        worker.settle()
        try progress(log.durableEnd.value, log.durableEnd.value)
        return .whole
      }
    }
  }
}

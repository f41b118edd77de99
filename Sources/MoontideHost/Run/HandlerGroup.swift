import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// One handler at work: its lanes and its relay, each on a thread of its own. Any thread may ask how it
/// stands.
final class HandlerGroup: Sendable {
  let definition: HandlerDefinition
  let boards: [StatusBoard]
  private let relayBoard: RelayBoard?
  /// How its effects stand; nil of a projection.
  let effects: EffectBoard?
  /// A consumer's file, open for all its lanes; nil of a projection.
  let file: ConsumerFile?
  /// What wakes the relays: rung when something was emitted, or an effect ended.
  private let emitted = Bell()
  private let rebuilding = RebuildFlag()
  private let threads: [WorkerThread]

  /// What all handlers of a run share.
  struct Setting: Sendable {
    let project: MoontideProject
    /// The scripts that its handlers are of.
    let catalog: ProjectCatalog
    let surroundings: HandlerSurroundings
    let bell: Bell
    let progressed: Bell
    let performer: any EffectPerformer
    let circuits: CircuitBoard
    /// How long an open circuit may hold an effect back.
    let patience: Duration
  }

  /// Opens what can fail before anything runs, and starts the threads.
  init(_ definition: HandlerDefinition, _ setting: Setting) throws(Diagnostic) {
    self.definition = definition
    let lanes = definition.kind == .consumer ? definition.lanes : 1
    boards = (0..<lanes).map { StatusBoard(definition, lane: $0) }
    if definition.kind != .projection {
      let (relayBoard, effects) = (RelayBoard(), EffectBoard())
      let file = try StoreKeeper(setting.project).consumer(definition, log: setting.project.log)
      self.relayBoard = relayBoard
      self.effects = effects
      self.file = file
      threads = HandlerGroup.reacting(definition, boards, relayBoard, effects, file, emitted, setting)
    } else {
      relayBoard = nil
      effects = nil
      file = nil
      threads = [HandlerGroup.projection(definition, boards[0], rebuilding, setting)]
    }
    do throws(Diagnostic) { for thread in threads { try thread.start() } } catch {
      stop(settled: false)
      throw error
    }
  }

  private static func projection(
    _ definition: HandlerDefinition, _ board: StatusBoard, _ rebuilding: RebuildFlag, _ setting: Setting
  ) -> WorkerThread {
    let (project, catalog) = (setting.project, setting.catalog)
    let keeper = StoreKeeper(project)
    let report = setting.surroundings.report
    return WorkerThread(definition.name, setting) { () throws(Diagnostic) in
      try ProjectionRun(
        definition, keeper: keeper, log: project.log, board: board, rebuilding: rebuilding, report: report
      ) { store throws(Diagnostic) in
        try HandlerWorker(
          definition, lane: 0, catalog: catalog, log: project.log, store: store,
          surroundings: setting.surroundings, board: board)
      }
    }
  }

  /// The lanes of a consumer, or the one of a saga, and the relays of what they emit and cause.
  private static func reacting(
    _ definition: HandlerDefinition, _ boards: [StatusBoard], _ relayBoard: RelayBoard,
    _ effectBoard: EffectBoard, _ file: ConsumerFile, _ emitted: Bell, _ setting: Setting
  ) -> [WorkerThread] {
    let (project, catalog) = (setting.project, setting.catalog)
    let saga = definition.kind == .saga ? catalog.sagas[definition.name] : nil
    var threads = boards.enumerated().map { lane, board in
      WorkerThread("\(definition.name)/\(lane)", setting, rings: emitted) { () throws(Diagnostic) in
        if let saga {
          return SagaRun(
            try SagaWorker(
              saga, catalog: catalog, log: project.log, store: try open(file),
              surroundings: setting.surroundings, board: board))
        }
        return ConsumerRun(
          try HandlerWorker(
            definition, lane: lane, catalog: catalog, log: project.log, store: try open(file),
            surroundings: setting.surroundings, board: board))
      }
    }
    // The relays wait for what the lanes emit and for what was performed, not for the log.
    threads.append(
      WorkerThread("\(definition.name)/relay", setting, waits: emitted, rings: setting.bell) {
        () throws(Diagnostic) in
        let store = try open(file)
        return ConsumerRelays(
          OutboxRelay(
            definition, log: project.log, store: store, surroundings: setting.surroundings,
            board: relayBoard, partitions: { project.settings.partitions[$0] }),
          EffectRelay(
            definition, log: project.log, store: store, performer: setting.performer,
            circuits: setting.circuits, surroundings: setting.surroundings, board: effectBoard,
            patience: setting.patience, wake: { emitted.ring() }))
      })
    return threads
  }

  private static func open(_ file: ConsumerFile) throws(Diagnostic) -> ConsumerStore {
    do throws(StoreOpeningError) { return try file.store() } catch { throw error.diagnostic(file.path) }
  }

  // MARK: How it stands

  /// The next position that no lane has come past; nil until every lane runs.
  var position: Position { boards.lazy.map(\.status.position).min() ?? .start }

  var isRebuilding: Bool { rebuilding.isSet }

  /// Nil while a thread may still mend it.
  var halted: Diagnostic? {
    guard hasEnded else { return nil }
    return boards.lazy.compactMap(\.status.halted).first ?? relayBoard?.status.halted
      ?? effects?.status.halted
  }

  /// Whether it waits for room on the disk and the like.
  var isWaiting: Bool {
    boards.contains { $0.status.waiting != nil } || relayBoard?.status.waiting != nil
      || effects?.status.waiting != nil
  }

  /// Has effects performed again that the ledger has as open again.
  func performAgain(_ sequences: [UInt64]) {
    effects?.lookAgain(sequences)
    emitted.ring()
  }

  /// Whether nothing below `end` is left to do, outbox and effects aside.
  func isDone(at end: Position) -> Bool {
    !isRebuilding && boards.allSatisfy { $0.status.isDone(at: end) }
  }

  /// Whether a thread ended that was not asked to.
  var hasEnded: Bool { threads.contains { $0.isDone } }

  func stop(settled: Bool) {
    for thread in threads { thread.stop(settled: settled) }
    for thread in threads { thread.join() }
  }
}

extension WorkerThread {
  /// - Parameters:
  ///   - waits: what wakes it; nil: that the log has grown.
  ///   - rings: what its progress wakes, beside those who watch the run.
  convenience init(
    _ name: String, _ setting: HandlerGroup.Setting, waits: Bell? = nil, rings: Bell? = nil,
    make: @escaping () throws(Diagnostic) -> any Worker
  ) {
    let progressed = setting.progressed
    self.init(
      name: name, pause: waits ?? setting.bell,
      progressed: {
        progressed.ring()
        rings?.ring()
      }, failed: setting.surroundings.report, make: make)
  }
}

/// A consumer's lane, which writes its place down when it ends.
private final class ConsumerRun: ClosingWorker {
  private let worker: HandlerWorker

  init(_ worker: HandlerWorker) { self.worker = worker }

  func step() -> StepOutcome { worker.step() }

  func close(settled: Bool) throws(Diagnostic) {
    // When it cannot, its status says why and has been reported; the next run reads a little again.
    worker.settle()
  }
}

/// The same of a saga.
private final class SagaRun: ClosingWorker {
  private let worker: SagaWorker

  init(_ worker: SagaWorker) { self.worker = worker }

  func step() -> StepOutcome { worker.step() }

  func close(settled: Bool) throws(Diagnostic) { worker.settle() }
}

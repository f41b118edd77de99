import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// One handler at work: its lanes and its relay, each on a thread of its own. Any thread may ask how it
/// stands.
final class HandlerGroup: Sendable {
  private let known: HandlerDefinition
  /// What it began with; what reacts keeps that for as long as it is at work.
  private let first: Setting
  private let lanes: [StatusBoard]
  /// Of a projection: its versions at work; nil of what reacts.
  private let projection: ProjectionGroup?
  private let relayBoard: RelayBoard?
  /// How its effects stand; nil of a projection.
  let effects: EffectBoard?
  /// A consumer's file, open for all its lanes; nil of a projection.
  let file: ConsumerFile?
  /// Its effects that are being performed; nil of a projection.
  private let flights: FlightDesk?
  /// What wakes the relays: rung when something was emitted, or an effect ended.
  private let emitted = Bell()
  private let threads: [WorkerThread]

  /// What all handlers of a run share.
  struct Setting: Sendable {
    let project: MoontideProject
    /// The scripts that its handlers are of.
    var catalog: ProjectCatalog
    let surroundings: HandlerSurroundings
    let bell: Bell
    let progressed: Bell
    var performer: any EffectPerformer
    let circuits: CircuitBoard
    /// Whose turn it is to be folded beside.
    let rebuilds = RebuildTurns()
    /// How long an open circuit may hold an effect back.
    let patience: Duration

    /// The same for handlers of other scripts.
    func with(_ catalog: ProjectCatalog) -> Setting {
      var setting = self
      setting.catalog = catalog
      return setting
    }
  }

  /// Opens what can fail before anything runs, and starts the threads.
  /// - Parameters:
  ///   - old: whose place it takes, and whose effects it waits for; it has stopped.
  ///   - isResumed: of a projection whose read model in use is of that version, whatever the script on disk
  ///     says: it goes on with that.
  init(
    _ definition: HandlerDefinition, _ setting: Setting, after old: HandlerGroup? = nil,
    isResumed: Bool = false
  ) throws(Diagnostic) {
    known = definition
    first = setting
    guard definition.kind != .projection else {
      (lanes, relayBoard, effects, flights, file, threads) = ([], nil, nil, nil, nil, [])
      let group = ProjectionGroup(definition, setting, isResumed: isResumed)
      projection = group
      try group.start()
      return
    }
    projection = nil
    lanes = (0..<(definition.kind == .consumer ? definition.lanes : 1)).map {
      StatusBoard(definition, lane: $0)
    }
    let (relayBoard, effects) = (RelayBoard(), EffectBoard())
    let file = try StoreKeeper(setting.project).consumer(definition, log: setting.project.log)
    self.relayBoard = relayBoard
    self.effects = effects
    self.file = file
    let flights = old?.flights ?? FlightDesk(setting.performer)
    flights.isLeft = false
    self.flights = flights
    threads = HandlerGroup.reacting(
      definition, lanes, relayBoard, effects, flights, file, emitted, setting)
    do throws(Diagnostic) { for thread in threads { try thread.start() } } catch {
      stop(settled: false)
      throw error
    }
  }

  /// The lanes of a consumer, or the one of a saga, and the relays of what they emit and cause.
  private static func reacting(
    _ definition: HandlerDefinition, _ boards: [StatusBoard], _ relayBoard: RelayBoard,
    _ effectBoard: EffectBoard, _ flights: FlightDesk, _ file: ConsumerFile, _ emitted: Bell,
    _ setting: Setting
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
            definition, log: project.log, store: store, performer: flights,
            circuits: setting.circuits, surroundings: setting.surroundings, board: effectBoard,
            patience: setting.patience, wake: { emitted.ring() }), flights)
      })
    return threads
  }

  private static func open(_ file: ConsumerFile) throws(Diagnostic) -> ConsumerStore {
    do throws(StoreOpeningError) { return try file.store() } catch { throw error.diagnostic(file.path) }
  }

  // MARK: How it stands

  /// Of a projection: the version that serves.
  var definition: HandlerDefinition { projection?.definition ?? known }
  var setting: Setting { projection?.setting ?? first }
  var boards: [StatusBoard] { projection.map { [$0.board] } ?? lanes }

  /// The next position that no lane has come past; nil until every lane runs.
  var position: Position { boards.lazy.map(\.status.position).min() ?? .start }

  var isRebuilding: Bool { projection?.isRebuilding ?? false }
  /// How far a version is that is folded beside; nil when there is none on its way.
  var rebuild: RebuildStatus? { projection?.rebuild }
  /// Why the version that was folded beside has stopped; nil while none has.
  var failedRebuild: Diagnostic? { projection?.failedRebuild }
  /// Gives up what is folded beside.
  func cancelRebuild() throws(Diagnostic) { try projection?.cancelRebuild() }
  /// How many versions have taken the place of another one since it began.
  var swaps: Int { projection?.swaps ?? 0 }

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
  var hasEnded: Bool { projection?.hasEnded ?? threads.contains { $0.isDone } }

  // MARK: Changes

  /// Has a projection folded beside by another version of its script, or anew by the same, which then takes
  /// the place of the read model in use; returns when that has begun. With the version that serves, what is
  /// folded beside is given up. False when nothing serves that could be kept up meanwhile: start it by that
  /// version.
  /// - Parameters:
  ///   - setting: with the catalog of that version.
  ///   - file: what it begins with; all but a known one are wanted even if that version serves.
  func rebuild(
    _ definition: HandlerDefinition, _ setting: Setting, _ file: StoreKeeper.Beside = .known
  ) throws(Diagnostic) -> Bool {
    guard let projection else { preconditionFailure("\(known.name) is no projection") }
    precondition(definition.name == known.name, "\(definition.name) is not \(known.name)")
    return try projection.rebuild(definition, setting, file)
  }

  /// Each of its threads ends at the end of its batch.
  /// - Parameter handsOver: another one takes its place, and waits for its effects.
  func stop(settled: Bool, handsOver: Bool = false) {
    if let projection { return projection.stop(settled: settled) }
    if handsOver { flights?.isLeft = true }
    for thread in threads { thread.stop(settled: settled) }
    for thread in threads { thread.join() }
  }

  /// Has what reacts begin to stop; `stop` waits for it.
  func askToStop() {
    for thread in threads { thread.stop() }
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

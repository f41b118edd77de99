import MoontideCore
import MoontideHost
import MoontideRuntime
import MoontideSQLite

/// One handler in one life of the process, put together as the host does: its files by `StoreKeeper`, a
/// projection as a `ProjectionRun`, a consumer or a saga as lanes and relays.
final class HandlerLife {
  /// What a life is made of.
  struct Setting {
    var files: any FileSystem
    var vfs: String
    var log: any EventLog
    var keeper: StoreKeeper
    var catalog: ProjectCatalog
    var surroundings: HandlerSurroundings
    var bug: PlantedBug?
    var bugNumbers: SeededNumbers
    /// Of effects; nil where there are none.
    var performer: SimulatedPerformer?
  }

  /// What was reported to a person.
  ///
  /// `@unchecked Sendable`: a simulation is one thread.
  private final class Reports: @unchecked Sendable {
    var all: [Diagnostic] = []
  }

  /// The worker of a projection, which must be gone before its store is.
  private final class WorkerReference { weak var worker: HandlerWorker? }

  let definition: HandlerDefinition
  /// Lanes, then the relay.
  private(set) var workers: [any Worker] = []
  /// Writes down how far its lanes came.
  private var settling: [() -> Void] = []
  private var effectRelay: EffectRelay?
  private var boards: [StatusBoard] = []
  private var relayBoard: RelayBoard?
  private let run: ProjectionRun?
  private let signs = ProjectionSigns()
  private let current = WorkerReference()
  private let reports = Reports()
  /// For looking: not wrapped.
  private(set) var reacting: ConsumerStore?
  private let files: any FileSystem

  init(_ name: String, _ setting: Setting) throws(LifeFailure) {
    let catalog = setting.catalog
    guard let definition = catalog.definition(name) else { preconditionFailure("no handler \(name)") }
    self.definition = definition
    files = setting.files
    guard definition.kind == .projection else {
      run = nil
      try react(name, setting)
      return
    }
    let board = StatusBoard(definition, lane: 0)
    let (current, reports, signs) = (current, reports, signs)
    let run = try LifeFailure.handler { () throws(Diagnostic) in
      try ProjectionRun(
        definition, keeper: setting.keeper, log: setting.log, board: board, signs: signs,
        report: { reports.all.append($0) }
      ) { store, _ throws(Diagnostic) in
        let made = try HandlerWorker(
          definition, lane: 0, catalog: catalog, log: setting.log, store: Self.wrapped(store, setting),
          surroundings: setting.surroundings, board: board)
        current.worker = made
        return made
      }
    }
    self.run = run
    boards = [board]
    workers = [run]
  }

  private static func wrapped(_ store: any EffectStore, _ setting: Setting) -> any EffectStore {
    guard let bug = setting.bug, bug.isOfStores else { return store }
    return BuggyStore(store, bug, setting.bugNumbers)
  }

  /// The lanes of a consumer, or the one of a saga, and the relays of what they emit and cause.
  private func react(_ name: String, _ setting: Setting) throws(LifeFailure) {
    let file = try LifeFailure.handler { () throws(Diagnostic) in
      try setting.keeper.consumer(definition, log: setting.log)
    }
    func open() throws(LifeFailure) -> ConsumerStore {
      do throws(StoreOpeningError) { return try file.store() } catch { throw .store(name, error) }
    }
    func buggy(_ store: ConsumerStore) -> BuggyLedger? {
      guard let bug = setting.bug, bug.isOfLedgers else { return nil }
      return BuggyLedger(store, bug, setting.bugNumbers, setting.performer)
    }
    reacting = try open()
    let board = RelayBoard()
    relayBoard = board
    let relayed = try open()
    workers.append(
      OutboxRelay(
        definition, log: setting.log, store: buggy(relayed) ?? Self.wrapped(relayed, setting),
        surroundings: setting.surroundings, board: board, partitions: { _ in 3 }))
    for lane in 0..<definition.lanes {
      let board = StatusBoard(definition, lane: lane)
      let store = try open()
      let buggy = buggy(store)
      boards.append(board)
      workers.append(
        try LifeFailure.handler { () throws(Diagnostic) in
          if let saga = setting.catalog.sagas[name] {
            let made = try SagaWorker(
              saga, catalog: setting.catalog, log: setting.log, store: buggy ?? store,
              surroundings: setting.surroundings, board: board)
            settling.append { made.settle() }
            return made
          }
          let made = try HandlerWorker(
            definition, lane: lane, catalog: setting.catalog, log: setting.log,
            store: buggy ?? Self.wrapped(store, setting), surroundings: setting.surroundings, board: board)
          settling.append { _ = made.settle() }
          return made
        })
    }
    guard let performer = setting.performer, definition.kind == .consumer else { return }
    performer.eye = reacting
    let effects = try open()
    let relay = EffectRelay(
      definition, log: setting.log, store: buggy(effects) ?? effects, performer: performer,
      circuits: CircuitBoard(), surroundings: setting.surroundings, board: EffectBoard(),
      patience: .milliseconds(100), wake: {})
    effectRelay = relay
    workers.append(relay)
  }

  // MARK: How it stands

  /// Diagnostics of workers that stopped.
  var halts: [Diagnostic] {
    boards.compactMap { $0.status.halted } + (relayBoard?.status.halted.map { [$0] } ?? [])
      + (effectRelay?.board.status.halted.map { [$0] } ?? [])
      + reports.all.filter { $0.severity == .error }
  }

  /// What a projection said of a read model that it could not go on with.
  var complaints: [String] {
    reports.all.filter { $0.severity == .warning && $0.code == HostCode.storeDamaged.code }.map(\.title)
  }

  var isRebuilding: Bool { signs.isRebuilding }

  // MARK: What is asked of it

  /// Has effects that ended performed again, as `moontide effects retry` does.
  func performAgain(_ sequences: [UInt64]) throws(StoreError) {
    try reacting?.commit(sequences.map { .effect(.again(sequence: $0)) })
    effectRelay?.board.lookAgain(sequences)
  }

  /// Ends in order while it lives on: what nothing matched is written down too.
  func settle() {
    for settle in settling { settle() }
    current.worker?.settle()
  }

  /// Ends in order.
  func close(settled: Bool) throws(Diagnostic) {
    for settle in settling { settle() }
    effectRelay?.drain(for: .milliseconds(20))
    try run?.close(settled: settled)
  }

  /// A checkpoint of SQLite, as it comes by itself now and then.
  func checkpoint() throws(StoreError) { try run?.store?.checkpoint() }

  // MARK: Looking

  private var eye: (any EffectStore)? { run?.store ?? reacting }

  func deadLetters() throws(StoreError) -> [DeadLetter] {
    if let reacting { return try reacting.deadLetters() }
    return try run?.store?.deadLetters() ?? []
  }

  /// Nil while it has no store: a swap failed, and will be tried again.
  func evidence(_ records: [LogWitness.Seen]) throws(StoreError) -> HandlerEvidence? {
    guard let eye else { return nil }
    var rows: [String: [String]] = [:]
    for table in eye.tables {
      rows[table.name] = try self.rows("select * from \(table.name) order by 1", eye)
    }
    var evidence = HandlerEvidence(
      name: definition.name, ledger: try eye.ledger(),
      deadPositions: try deadLetters().map(\.position.value),
      outbox: try eye.outbox(from: 0, limit: 100_000), rows: rows, records: records)
    if let store = run?.store {
      evidence.scriptVersion = store.identity.scriptVersion
      if !isRebuilding { evidence.unsealed = try unsealed(store) }
    }
    return evidence
  }

  /// Tables whose rows are not those of the digest beside them, if that speaks of the same place.
  private func unsealed(_ store: ProjectionStore) throws(StoreError) -> [String] {
    let seal: ReadModelSeal?
    do throws(FileError) { seal = try ReadModelSeal.read(store.path, files) } catch {
      throw .io(path: store.path, reason: "\(error)")
    }
    guard let seal, seal.scriptVersion == store.identity.scriptVersion,
      seal.position == (try store.ledger().checkpoints.values.max() ?? .start)
    else { return [] }
    return seal.differences(try store.contents())
  }

  private func rows(_ sql: String, _ eye: any EffectStore) throws(StoreError) -> [String] {
    let transaction = try eye.begin(folding: false)
    let result = RowBuffer()
    let columns: [String]
    do throws(StoreError) {
      columns = try transaction.sql(sql, arguments: RowBuffer(), result: result)
    } catch {
      try transaction.rollback()
      throw error
    }
    try transaction.rollback()
    return stride(from: 0, to: result.cells.count, by: max(1, columns.count)).map { start in
      (start..<start + columns.count).map { index in
        result.cells[index].kind == .integer ? "\(result.cells[index].bits)" : result.text(index) ?? "?"
      }.joined(separator: "|")
    }
  }
}

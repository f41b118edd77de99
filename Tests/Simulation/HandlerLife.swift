import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// One handler in one life of the process: its stores, lanes and relay.
final class HandlerLife {
  let definition: HandlerDefinition
  /// Lanes, then the relay.
  private(set) var workers: [any Worker] = []
  private(set) var lanes: [HandlerWorker] = []
  private(set) var relayBoard: RelayBoard?
  /// For looking: not wrapped.
  private let eye: any EffectStore
  let projection: ProjectionStore?
  private let consumer: ConsumerStore?
  /// Diagnostics of workers that stopped.
  var halts: [Diagnostic] {
    lanes.compactMap { $0.board.status.halted } + (relayBoard?.status.halted.map { [$0] } ?? [])
  }
  var isWaiting: Bool {
    lanes.contains { $0.board.status.waiting != nil } || relayBoard?.status.waiting != nil
  }

  /// What a life is made of.
  struct Setting {
    var files: any FileSystem
    var vfs: String
    var log: any EventLog
    var surroundings: HandlerSurroundings
    var bug: PlantedBug?
    var bugNumbers: SeededNumbers
  }

  init(_ name: String, _ setting: Setting) throws(LifeFailure) {
    guard let definition = SimulationScripts.catalog.definition(name) else {
      preconditionFailure("no handler \(name)")
    }
    self.definition = definition
    func wrapped(_ store: any EffectStore) -> any EffectStore {
      guard let bug = setting.bug, bug.isOfStores else { return store }
      return BuggyStore(store, bug, setting.bugNumbers)
    }
    var stores: [any EffectStore] = []
    if definition.kind == .projection {
      let store = try Self.projectionStore(definition, setting)
      projection = store
      consumer = nil
      eye = store
      stores = [wrapped(store)]
    } else {
      let file = try LifeFailure.opening(name) { () throws(StoreOpeningError) in
        try ConsumerFile(
          path: "p/data/handlers/\(name).sqlite",
          identity: StoreIdentity(handler: name, kind: .consumer, scriptVersion: definition.scriptVersion),
          vfs: setting.vfs)
      }
      func open() throws(LifeFailure) -> ConsumerStore {
        try LifeFailure.opening(name) { () throws(StoreOpeningError) in try file.store() }
      }
      projection = nil
      let looking = try open()
      consumer = looking
      eye = looking
      for _ in 0..<definition.lanes { stores.append(wrapped(try open())) }
      let board = RelayBoard()
      relayBoard = board
      workers.append(
        OutboxRelay(
          definition, log: setting.log, store: wrapped(try open()), surroundings: setting.surroundings,
          board: board, partitions: { _ in 3 }))
    }
    for (lane, store) in stores.enumerated() {
      let board = StatusBoard(definition, lane: lane)
      do throws(Diagnostic) {
        let worker = try HandlerWorker(
          definition, lane: lane, catalog: SimulationScripts.catalog, log: setting.log, store: store,
          surroundings: setting.surroundings, board: board)
        lanes.append(worker)
        workers.append(worker)
      } catch { throw .handler(error) }
    }
  }

  /// As the host does: a read model that a crash left half made is made anew.
  private static func projectionStore(_ definition: HandlerDefinition, _ setting: Setting)
    throws(LifeFailure) -> ProjectionStore
  {
    let path = "p/data/readmodels/\(definition.name).sqlite"
    let isThere = try LifeFailure.file { () throws(FileError) in try setting.files.status(path) != nil }
    if isThere {
      do throws(StoreOpeningError) {
        return try ProjectionStore.open(path: path, vfs: setting.vfs)
      } catch {
        guard case .empty = error else {
          throw .store(definition.name, error)
        }
      }
      try LifeFailure.file { () throws(FileError) in
        for ending in ["", "-wal", "-shm"] { try setting.files.remove(path + ending) }
      }
    }
    return try LifeFailure.opening(definition.name) { () throws(StoreOpeningError) in
      try ProjectionStore.create(
        path: path, schema: definition.schema ?? "",
        identity: StoreIdentity(
          handler: definition.name, kind: .projection, scriptVersion: definition.scriptVersion),
        vfs: setting.vfs)
    }
  }

  /// Ends in order: what nothing matched is written down too.
  func settle() { for lane in lanes { lane.settle() } }

  // MARK: Looking

  func evidence(_ records: [LogWitness.Seen]) throws(StoreError) -> HandlerEvidence {
    var rows: [String: [String]] = [:]
    for table in eye.tables { rows[table.name] = try self.rows("select * from \(table.name) order by 1") }
    var letters: [DeadLetter] = []
    if let projection { letters = try projection.deadLetters() }
    if let consumer { letters = try consumer.deadLetters() }
    return HandlerEvidence(
      name: definition.name, ledger: try eye.ledger(), deadPositions: letters.map(\.position.value),
      outbox: try eye.outbox(from: 0, limit: 100_000), rows: rows, records: records)
  }

  private func rows(_ sql: String) throws(StoreError) -> [String] {
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

/// Why a process did not come up, or went down by itself.
enum LifeFailure: Error {
  case log(LogError)
  case store(String, StoreOpeningError)
  case file(FileError)
  case handler(Diagnostic)

  static func opening<Value>(
    _ name: String, _ body: () throws(StoreOpeningError) -> Value
  ) throws(LifeFailure) -> Value {
    do throws(StoreOpeningError) { return try body() } catch { throw .store(name, error) }
  }

  static func file<Value>(_ body: () throws(FileError) -> Value) throws(LifeFailure) -> Value {
    do throws(FileError) { return try body() } catch { throw .file(error) }
  }

  /// Whether it says that something is damaged, which no crash may cause.
  var saysDamage: Bool {
    switch self {
    case .log(.damaged), .log(.unsupportedFormat), .log(.sequenceGap): true
    case .store(_, .store(.damaged)), .store(_, .unsupportedFormat), .store(_, .schema): true
    default: false
    }
  }
}

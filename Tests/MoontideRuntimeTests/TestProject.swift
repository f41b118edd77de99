import MoontideCore
import MoontideLog
import MoontideLua
import MoontideSQLite
import Synchronization
import Testing

@testable import MoontideRuntime

/// A project in a scratch directory: real log, real stores, a clock that moves only when all is idle.
final class TestProject {
  let scratch: Scratch
  let clock = ManualClock()
  let files = PosixFileSystem()
  let log: SegmentedLog
  private(set) var catalog: ProjectCatalog
  let told = Told()
  private var nextID = 0

  /// - Parameter time: what one event may take.
  init(
    _ scripts: [String: String], modules: [String: String] = [:], time: Duration = Limits.handlerTimeDefault
  ) throws {
    scratch = try Scratch()
    log = try SegmentedLog(
      directory: scratch.file("log"), files: files, clock: clock, randomness: SeededRandomness(1))
    catalog = TestProject.load(scripts, modules: modules, time: time)
  }

  /// The same log with files of its own: what a handler makes of it from the beginning.
  init(_ scripts: [String: String], over project: TestProject) throws {
    scratch = try Scratch()
    log = project.log
    catalog = TestProject.load(scripts)
  }

  static func load(
    _ scripts: [String: String], modules: [String: String] = [:], time: Duration = Limits.handlerTimeDefault
  ) -> ProjectCatalog {
    var defaults = HandlerDefaults()
    defaults.budget.time = time
    return ProjectCatalog.load(
      handlers: scripts.sorted { $0.key < $1.key }.map {
        ScriptSource(path: $0.key, text: Array($0.value.utf8))
      },
      modules: Dictionary(
        uniqueKeysWithValues: modules.map { name, text in
          let path = name.split(separator: ".").joined(separator: "/") + ".lua"
          return (name, ScriptSource(path: path, text: Array(text.utf8)))
        }),
      defaults: defaults,
      schemaCheck: { schema in
        do throws(MoontideSQLite.SchemaFault) {
          return .success(try ProjectionStore.checkSchema(schema))
        } catch {
          return .failure(SchemaRefusal(message: error.message, byteOffset: error.byteOffset))
        }
      })
  }

  func edit(_ scripts: [String: String], modules: [String: String] = [:]) {
    catalog = TestProject.load(scripts, modules: modules)
  }

  var surroundings: HandlerSurroundings {
    let told = told
    var surroundings = HandlerSurroundings(
      clock: clock, randomness: SeededRandomness(7),
      report: { diagnostic in told.reports.withLock { $0.append(diagnostic) } },
      print: { _, event, text in told.prints.withLock { $0.append("\(event) \(text)") } })
    surroundings.missed = { field in told.missed.withLock { $0.append(field) } }
    return surroundings
  }

  /// Appends a decision about dead letters, durably.
  func decide(_ handler: String, _ decision: Decision) throws {
    nextID += 1
    let batch = DraftBatch()
    let topic = try log.topic(.decisions, partitions: 1).id
    decision.draft(handler: handler, id: "decision-\(nextID)", topic: topic, into: batch)
    _ = try log.append(AppendRequest(batch: batch))
    try log.flush()
  }

  /// Appends one event, durably, and returns its position.
  @discardableResult
  func publish(
    _ type: String, key: String = "k", data: String = "{}", id: String? = nil, version: UInt32 = 1,
    topic: TopicName = .events, meta: String = "", time: String = "2026-11-17T09:00:00+01:00"
  ) throws -> Position {
    let first = try enqueue(
      type, key: key, data: data, id: id, version: version, topic: topic, meta: meta, time: time)
    try log.flush()
    return first
  }

  /// Appends one event; durable with the next flush.
  @discardableResult
  func enqueue(
    _ type: String, key: String = "k", data: String = "{}", id: String? = nil, version: UInt32 = 1,
    topic: TopicName = .events, meta: String = "", time: String = "2026-11-17T09:00:00+01:00"
  ) throws -> Position {
    let batch = DraftBatch()
    nextID += 1
    var envelope = Envelope(given: [.key, .time], version: version)
    envelope.id = batch.bytes.appendPart(id ?? "e-\(nextID)")
    envelope.type = batch.bytes.appendPart(type)
    envelope.key = batch.bytes.appendPart(key)
    envelope.time = batch.bytes.appendPart(time)
    envelope.timeMicroseconds = try #require(EventTime(time)).microseconds
    envelope.data = batch.bytes.appendPart(data)
    envelope.meta = batch.bytes.appendPart(meta)
    let body = BodyDigest.digest(of: envelope, in: batch.bytes, data: envelope.data, in: batch.bytes)
    let topic = try log.topic(topic, partitions: 4).id
    batch.drafts.append(Draft(topic: topic, envelope: envelope, body: body))
    guard case .written(let written) = try log.append(AppendRequest(batch: batch)) else {
      throw Diagnostic(code: "T0001", "the event \(id ?? "e-\(nextID)") was not written")
    }
    return written.first
  }

  /// All events of a topic: type, key, id, data and meta.
  func events(_ topic: TopicName) throws -> [[String]] {
    let batch = RecordBatch()
    var at = Position.start
    var found: [[String]] = []
    let id = log.topics().first { $0.name == topic }?.id
    while at < log.durableEnd {
      at = try log.read(from: at, records: 100, bytes: 1 << 20, into: batch)
      for record in batch.records where record.topic == id && record.envelope.kind == .event {
        let envelope = record.envelope
        found.append(
          [envelope.type, envelope.key, envelope.id, envelope.data, envelope.meta].map {
            batch.bytes.text($0)
          })
      }
    }
    return found
  }

  func definition(_ name: String) throws -> HandlerDefinition {
    try #require(
      catalog.definition(name), "no \(name): \(catalog.diagnostics.map { "\($0.title) \($0.place as Any)" })")
  }

  /// The read model of a projection, made when it is not there.
  func projectionStore(_ name: String, decided: Int = 0) throws -> ProjectionStore {
    let path = scratch.file("\(name).sqlite")
    if try files.status(path) != nil { return try ProjectionStore.open(path: path) }
    let definition = try definition(name)
    return try ProjectionStore.create(
      path: path, schema: definition.schema ?? "",
      identity: StoreIdentity(handler: name, kind: .projection, scriptVersion: definition.scriptVersion),
      decided: decided)
  }

  func consumerFile(_ name: String) throws -> ConsumerFile {
    try ConsumerFile(
      path: scratch.file("\(name).sqlite"),
      identity: StoreIdentity(
        handler: name, kind: try definition(name).kind,
        scriptVersion: try definition(name).scriptVersion))
  }
}

/// What handlers reported and printed.
final class Told: Sendable {
  let reports = Mutex<[Diagnostic]>([])
  let prints = Mutex<[String]>([])
  let missed = Mutex<[MissedField]>([])
  var codes: [String] { reports.withLock { $0 }.map(\.code) }
}

/// A handler with its lanes and relay, driven in one thread.
final class HandlerRig {
  let project: TestProject
  let workers: [HandlerWorker]
  let relay: OutboxRelay?
  let stores: [any EffectStore]

  /// - Parameter wrap: what to put around log and store, such as faults.
  init(
    _ project: TestProject, _ name: String, log: (any EventLog)? = nil, batchRecords: Int? = nil,
    decided: Int = 0,
    wrap: (any EffectStore) -> any EffectStore = { $0 }
  ) throws {
    let definition = try project.definition(name)
    let log = log ?? project.log
    var surroundings = project.surroundings
    surroundings.batchRecords = batchRecords
    self.project = project
    if definition.kind == .projection {
      stores = [wrap(try project.projectionStore(name, decided: decided))]
      relay = nil
    } else {
      let file = try project.consumerFile(name)
      stores = try (0..<definition.lanes).map { _ in wrap(try file.store()) }
      relay = OutboxRelay(
        definition, log: log, store: stores[0], surroundings: surroundings, board: RelayBoard(),
        partitions: { _ in 4 })
    }
    var workers: [HandlerWorker] = []
    for (lane, store) in stores.enumerated() {
      workers.append(
        try HandlerWorker(
          definition, lane: lane, catalog: project.catalog, log: log, store: store,
          surroundings: surroundings, board: StatusBoard(definition, lane: lane)))
    }
    self.workers = workers
  }

  /// Steps until all is idle and no try waits; then writes the place down. A halted handler ends it too.
  func run() throws {
    for _ in 0..<100_000 {
      var progressed = false
      var wait = Duration.seconds(1)
      for worker in workers as [any Worker] + (relay.map { [$0] } ?? []) {
        switch worker.step() {
        case .progressed: progressed = true
        case .idle(let pause): wait = min(wait, pause)
        case .finished: return
        }
      }
      if progressed { continue }
      if workers.allSatisfy({ $0.board.status.retrying == 0 && $0.board.status.waiting == nil }) {
        for worker in workers { #expect(worker.settle()) }
        return
      }
      project.clock.sleep(for: wait)
    }
    Issue.record("the handler does not come to rest")
  }

  var status: HandlerStatus { workers[0].board.status }

  /// Rows of a query, cells joined with `|`.
  func rows(_ sql: String) throws -> [String] {
    let store = stores[0]
    let transaction = try store.begin(folding: false)
    let result = RowBuffer()
    let columns = try transaction.sql(sql, arguments: RowBuffer(), result: result)
    try transaction.rollback()
    return stride(from: 0, to: result.cells.count, by: columns.count).map { start in
      (start..<start + columns.count).map { index in
        switch result.cells[index].kind {
        case .absent, .null: "NULL"
        case .integer: "\(result.cells[index].bits)"
        case .real: "\(result.cells[index].real)"
        case .text, .blob: result.text(index) ?? ""
        }
      }.joined(separator: "|")
    }
  }
}

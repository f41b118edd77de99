import MoontideCore
import MoontideJSON
import MoontideSQLite
import Testing

@testable import MoontideRuntime

/// A saga with its relay and the deciders of its project, driven in one thread.
final class SagaRig {
  let project: TestProject
  let worker: SagaWorker
  let store: ConsumerStore
  private let definition: SagaDefinition
  private let relay: OutboxRelay
  private let deciders: [DeciderWorker]
  private let effects: EffectRelay

  /// - Parameters:
  ///   - performer: of its effects; by default all are done.
  ///   - log: what the saga and its relay see instead of the project's.
  ///   - wrap: what to put around the store, such as faults.
  init(
    _ project: TestProject, _ name: String, batchRecords: Int? = nil, log: (any EventLog)? = nil,
    performer: any EffectPerformer = ScriptedPerformer(),
    wrap: (any SagaStore) -> any SagaStore = { $0 }
  ) throws {
    let log = log ?? project.log
    let definition = try #require(
      project.catalog.sagas[name], "no \(name): \(project.catalog.diagnostics.map(\.description))")
    var surroundings = project.surroundings
    surroundings.batchRecords = batchRecords
    let file = try project.consumerFile(name)
    store = try file.store()
    let wrapped = wrap(store)
    worker = try SagaWorker(
      definition, catalog: project.catalog, log: log, store: wrapped, surroundings: surroundings,
      board: StatusBoard(definition.handler, lane: 0))
    relay = OutboxRelay(
      definition.handler, log: log, store: wrapped, surroundings: surroundings, board: RelayBoard(),
      partitions: { _ in 4 })
    effects = EffectRelay(
      definition.handler, log: log, store: try file.store(), performer: performer, circuits: CircuitBoard(),
      surroundings: surroundings, board: EffectBoard(), wake: {})
    var deciders: [DeciderWorker] = []
    for decider in project.catalog.deciders {
      deciders.append(
        try DeciderWorker(
          decider, catalog: project.catalog, log: project.log, snapshots: NoSnapshots(),
          inbox: CommandInbox(), surroundings: surroundings, board: DeciderBoard(),
          partitions: { _ in 4 }))
    }
    self.deciders = deciders
    self.project = project
    self.definition = definition
  }

  var status: HandlerStatus { worker.board.status }

  /// Steps until all is idle and nothing is tried again; the clock moves only for what is.
  func run(until isOver: () -> Bool = { false }) throws {
    for _ in 0..<100_000 {
      if isOver() { return }
      var progressed = false
      var wait = Duration.seconds(1)
      for worker in [worker, relay, effects] as [any Worker] + deciders {
        switch worker.step() {
        case .progressed: progressed = true
        case .idle(let pause): wait = min(wait, pause)
        case .finished: return
        }
      }
      if progressed { continue }
      if status.retrying == 0, status.waiting == nil { return worker.settle() }
      project.clock.sleep(for: max(wait, .microseconds(1)))
    }
    Issue.record("the saga does not come to rest")
  }

  /// The instance as it is kept.
  func instance(_ key: String) throws -> SagaInstance {
    let row = try #require(try store.saga(Array(key.utf8)), "no instance \(key)")
    let coding = SagaCoding(plan: definition.plan, scriptVersion: row.scriptVersion)
    return try #require(coding.instance(row), "\(key) is not readable")
  }

  func state(_ key: String) throws -> String {
    var bytes: [UInt8] = []
    try #require(StateText.json(try instance(key).state)).append(to: &bytes)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Records of a kind, as type and data.
  func records(_ kind: RecordKind) throws -> [(type: String, key: String, data: String)] {
    let batch = RecordBatch()
    var at = Position.start
    var found: [(type: String, key: String, data: String)] = []
    while at < project.log.durableEnd {
      at = try project.log.read(from: at, records: 100, bytes: 1 << 20, into: batch)
      for record in batch.records where record.envelope.kind == kind {
        found.append(
          (
            batch.bytes.text(record.envelope.type), batch.bytes.text(record.envelope.key),
            batch.bytes.text(record.envelope.data)
          ))
      }
    }
    return found
  }

  var commands: [String] { get throws { try records(.command).map(\.type) } }

  func decide(_ decision: SagaDecision) throws {
    let batch = DraftBatch()
    let topic = try project.log.topic(.decisions, partitions: 1).id
    decision.draft(
      saga: definition.identityName, id: "decision-\(project.log.durableEnd.value)", topic: topic, into: batch
    )
    _ = try project.log.append(AppendRequest(batch: batch))
    try project.log.flush()
  }

  func advance(to time: String) throws {
    let batch = DraftBatch()
    TimerRecord.advance(
      to: try #require(EventTime(time)), topic: try project.log.topic(.timers, partitions: 1).id, into: batch)
    _ = try project.log.append(AppendRequest(batch: batch))
    try project.log.flush()
  }
}

/// Keeps nothing.
private final class NoSnapshots: SnapshotStore {
  func snapshot(topic: TopicName, key: [UInt8]) throws(StoreError) -> StreamSnapshot? { nil }
  func keep(_ snapshots: [StreamSnapshot], reached: LogMark?) throws(StoreError) {}
  func reached() throws(StoreError) -> LogMark? { nil }
}

import MoontideCore
import MoontideSQLite
import Synchronization
import Testing

@testable import MoontideRuntime

/// Performs nothing: remembers what it was asked, and answers what it was told. One that has no answer stays
/// on its way until `release`.
final class ScriptedPerformer: EffectPerformer {
  private struct State {
    var jobs: [EffectJob] = []
    var held: [@Sendable (EffectOutcome) -> Void] = []
  }

  private let state = Mutex(State())
  private let answer: @Sendable (EffectJob, _ tries: Int) -> EffectOutcome?

  /// - Parameter answer: `tries` is how often that key was asked for, this one included; nil: none yet.
  init(_ answer: @escaping @Sendable (EffectJob, Int) -> EffectOutcome? = { _, _ in EffectOutcome(.done) }) {
    self.answer = answer
  }

  func begin(_ job: EffectJob, ended: @escaping @Sendable (EffectOutcome) -> Void) -> Bool {
    let tries = state.withLock { state in
      state.jobs.append(job)
      return state.jobs.count { $0.key == job.key }
    }
    if let outcome = answer(job, tries) {
      ended(outcome)
    } else {
      state.withLock { $0.held.append(ended) }
    }
    return true
  }

  /// Answers all that are on their way, the last one first.
  func release(_ outcome: EffectOutcome) {
    let held = state.withLock { state in
      defer { state.held = [] }
      return state.held
    }
    for ended in held.reversed() { ended(outcome) }
  }

  /// In the order of their beginnings.
  var jobs: [EffectJob] { state.withLock { $0.jobs } }
  /// Requests as they are shown.
  var requests: [String] { jobs.map { String(decoding: $0.request.shown, as: UTF8.self) } }
}

/// A consumer with its lanes and relays, driven in one thread.
final class EffectRig {
  let project: TestProject
  let workers: [HandlerWorker]
  let outbox: OutboxRelay
  let effects: EffectRelay
  let store: ConsumerStore
  let circuits = CircuitBoard()

  init(
    _ project: TestProject, _ performer: any EffectPerformer, handler name: String = "c",
    patience: Duration = Limits.circuitPatience
  ) throws {
    self.project = project
    let definition = try project.definition(name)
    let file = try project.consumerFile(name)
    let store = try file.store()
    self.store = store
    workers = try (0..<definition.lanes).map { lane in
      try HandlerWorker(
        definition, lane: lane, catalog: project.catalog, log: project.log, store: try file.store(),
        surroundings: project.surroundings, board: StatusBoard(definition, lane: lane))
    }
    outbox = OutboxRelay(
      definition, log: project.log, store: store, surroundings: project.surroundings, board: RelayBoard(),
      partitions: { _ in 4 })
    effects = EffectRelay(
      definition, log: project.log, store: store, performer: performer, circuits: circuits,
      surroundings: project.surroundings, board: EffectBoard(), patience: patience, wake: {})
  }

  private var all: [any Worker] { workers as [any Worker] + [outbox, effects] }

  /// Steps until nothing goes on by itself; the clock stands. Returns how long they want to wait.
  @discardableResult
  func settle() throws -> Duration {
    for _ in 0..<100_000 {
      var progressed = false
      var wait = Duration.seconds(1)
      for worker in all {
        switch worker.step() {
        case .progressed: progressed = true
        case .idle(let pause): wait = min(wait, pause)
        case .finished: return .zero
        }
      }
      if !progressed { return wait }
    }
    Issue.record("the handler does not come to rest")
    return .zero
  }

  /// The same, moving the clock, until no effect is open and no key is tried any more.
  func run() throws {
    for _ in 0..<10_000 {
      let wait = try settle()
      let isTrying = workers.contains { $0.board.status.retrying > 0 }
      if try !isTrying && store.openEffects(from: 0, limit: 1).isEmpty {
        for worker in workers { #expect(worker.settle()) }
        return
      }
      project.clock.sleep(for: max(wait, .milliseconds(1)))
    }
    Issue.record("the effects do not come to rest")
  }

  /// The whole ledger: status, tries, round, error.
  func ledger() throws -> [String] {
    try (0..<store.effectEnd()).compactMap { try store.effect($0) }.map { effect in
      "\(effect.status) \(effect.attempts) \(effect.round)" + (effect.error.isEmpty ? "" : " \(effect.error)")
    }
  }
}

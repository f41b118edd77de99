import Foundation
import MoontideCore
import MoontideHost
import MoontideLog
import MoontideLua
import MoontideRuntime
import MoontideSQLite
import Synchronization

/// The only saga of a project over its log, with its relay, driven by this thread alone. It holds the log;
/// end with `close`.
final class SagaProbe {
  private let log: SegmentedLog
  private let store: ConsumerStore
  private let worker: SagaWorker
  private let relay: OutboxRelay
  private let board: StatusBoard
  /// The time of day that the saga sees.
  let clock: SetClock
  /// How long it took to take up what is in the file.
  let opening: Figure

  /// - Parameters:
  ///   - project: its path.
  ///   - now: the time of day to begin with; nil: the system's.
  init(_ project: String, at now: EventTime? = nil) throws {
    let clock = SetClock(now ?? SystemSurroundings.clock.now)
    self.clock = clock
    log = try SegmentedLog(
      directory: project + "/data/log", files: SystemSurroundings.files, clock: clock,
      randomness: SystemSurroundings.randomness)
    let folder = project + "/handlers"
    let scripts = try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
      ScriptSource(
        path: "handlers/\(name)", text: Array(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
      )
    }
    let catalog = ProjectCatalog.load(handlers: scripts, modules: [:]) { _ in .success([]) }
    guard let saga = catalog.sagas.values.first else { throw BenchFault("no saga: \(catalog.diagnostics)") }
    let kept = project + "/data/handlers"
    try FileManager.default.createDirectory(atPath: kept, withIntermediateDirectories: true)
    let surroundings = HandlerSurroundings(
      clock: clock, randomness: SystemSurroundings.randomness,
      report: { problem in FileHandle.standardError.write(Data("\(problem)\n".utf8)) }, print: { _, _, _ in })
    let stopwatch = Stopwatch()
    let file = try ConsumerFile(
      path: "\(kept)/\(saga.name).sqlite",
      identity: StoreIdentity(
        handler: saga.name, kind: .saga, scriptVersion: saga.handler.scriptVersion))
    store = try file.store()
    board = StatusBoard(saga.handler, lane: 0)
    worker = try SagaWorker(
      saga, catalog: catalog, log: log, store: store, surroundings: surroundings, board: board)
    opening = stopwatch.figure(events: 1)
    relay = OutboxRelay(
      saga.handler, log: log, store: store, surroundings: surroundings, board: RelayBoard(),
      partitions: { _ in nil })
  }

  /// Events that it has handled.
  var applied: UInt64 { board.status.applied }

  /// Timers that fired, where each of them emits one event.
  var fired: UInt64 { board.status.emitted / 2 }

  var hasOpenInstances: Bool {
    get throws { try !store.openSagas(except: "", after: nil, limit: 1).isEmpty }
  }

  /// Steps the saga until it is idle, without its relay.
  func advance() throws {
    while true {
      switch worker.step() {
      case .progressed: continue
      case .idle: return
      case .finished: throw BenchFault("the saga stopped: \(String(describing: board.status.halted))")
      }
    }
  }

  /// One step, with nothing to do.
  func tick() throws {
    guard case .idle = worker.step() else { throw BenchFault("there was something to do") }
  }

  /// Steps the saga and its relay until both are idle.
  func settle() throws {
    while true {
      try advance()
      guard case .progressed = relay.step() else { return }
    }
  }

  func close() throws {
    worker.settle()
    try log.close()
  }
}

/// A time of day that is moved by hand, beside the system's own monotonic time.
final class SetClock: WallClock {
  private let microseconds: Mutex<Int64>

  init(_ now: EventTime) { microseconds = Mutex(now.microseconds) }

  var now: EventTime { EventTime(microseconds: microseconds.withLock { $0 }) }
  var monotonic: Duration { SystemSurroundings.clock.monotonic }
  func sleep(for duration: Duration) { SystemSurroundings.clock.sleep(for: duration) }
  func set(_ now: EventTime) { microseconds.withLock { $0 = now.microseconds } }
}

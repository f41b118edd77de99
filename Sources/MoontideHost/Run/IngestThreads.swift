import MoontideCore
import MoontideJSON
import MoontideLog
import MoontideRuntime

/// The event directory at work: reading and parsing, appending, flushing, each on a thread of its own.
final class IngestThreads {
  private let worker: IngestWorker
  private let threads: [WorkerThread]
  private var problemsTold = 0

  /// - Parameter bell: rung when events have become durable.
  init(_ project: MoontideProject, once: Bool, strict: Bool, bell: Bell) throws(Diagnostic) {
    var options = IngestOptions(once: once, strict: strict, partitions: project.settings.partitions)
    // Scripts may be edited while it goes on.
    options.completeCommand = { batch throws(EnvelopeFault) in
      try Command.complete(batch, catalog: project.catalog)
    }
    if case .every(let interval) = project.settings.flush { options.flushInterval = interval }
    let worker = IngestWorker(
      directory: EventDirectory(
        path: project.paths.events, commands: project.paths.commands, files: project.files),
      files: project.files,
      log: project.log, clock: project.clock, options: options, watch: once ? nil : DirectoryWatch())
    self.worker = worker
    let stages: [(name: String, worker: any Worker & WaitingWorker, rings: Bool)] = [
      ("parse", worker.parsing, false), ("append", worker.appending, false), ("flush", worker.flushing, true),
    ]
    threads = stages.map { stage in
      let rings = stage.rings
      return WorkerThread(
        name: stage.name, pause: StagePause(stage.worker), progressed: { if rings { bell.ring() } },
        failed: { problem in
          preconditionFailure("a stage of ingest is made and cannot fail: \(problem.title)")
        },
        make: { [worker = stage.worker] in worker })
    }
    do throws(Diagnostic) { for thread in threads { try thread.start() } } catch {
      stop()
      throw error
    }
  }

  var counts: IngestCounts { worker.progress.counts }
  var isCaughtUp: Bool { worker.progress.isCaughtUp }

  /// Why it stopped for good, for a person.
  var failure: Diagnostic? {
    switch worker.progress.failure {
    case nil: nil
    case .line(let problem): problem
    case .log(let error): error.diagnostic
    }
  }

  /// Files and folders that could not be used, each once.
  func newProblems() -> [Diagnostic] {
    let all = worker.progress.problems
    defer { problemsTold = all.count }
    return Array(all.dropFirst(problemsTold))
  }

  /// Ends after what is in hand.
  func stop() {
    worker.progress.stop()
    for thread in threads { thread.stop() }
    for thread in threads { thread.join() }
  }
}

/// A worker that knows itself what to wait for.
protocol WaitingWorker: AnyObject {
  func wait(for timeout: Duration)
  /// Ends the wait early where the worker can.
  func wake()
}

extension WaitingWorker {
  func wake() {}
}

extension IndexMaintainer: WaitingWorker {}
extension LineParsingWorker: WaitingWorker {}
extension AppendingWorker: WaitingWorker {}
extension FlushingWorker: WaitingWorker {}

/// `@unchecked Sendable`: `wait` is called by the stage's own thread; waking goes through the progress of
/// ingest.
final class StagePause: WorkerPause, @unchecked Sendable {
  private let stage: any WaitingWorker
  init(_ stage: any WaitingWorker) { self.stage = stage }
  var count: UInt64 { 0 }
  func wait(past seen: UInt64, for duration: Duration) { stage.wait(for: min(duration, .milliseconds(100))) }
  func wake() { stage.wake() }
}

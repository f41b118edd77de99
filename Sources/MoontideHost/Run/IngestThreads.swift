import MoontideCore

/// The event directory at work: reading and parsing, appending, flushing, each on a thread of its own.
final class IngestThreads {
  private let pipeline: IngestPipeline
  private let threads: [WorkerThread]
  private var problemsTold = 0

  /// - Parameter bell: rung when events have become durable.
  init(_ project: MoontideProject, once: Bool, strict: Bool, bell: Bell) {
    var options = IngestOptions(once: once, strict: strict, partitions: project.settings.partitions)
    if case .every(let interval) = project.settings.flush { options.flushInterval = interval }
    let pipeline = IngestPipeline(
      directory: EventDirectory(path: project.paths.events, files: project.files), files: project.files,
      log: project.log, options: options)
    self.pipeline = pipeline
    threads = [
      Self.thread("parse", pipeline.parser, wait: pipeline.parser.wait, progressed: {}),
      Self.thread("append", pipeline.appender, wait: pipeline.appender.wait, progressed: {}),
      Self.thread("flush", pipeline.flusher, wait: pipeline.flusher.wait, progressed: { bell.ring() }),
    ]
    for thread in threads { thread.start() }
  }

  var counts: IngestCounts { pipeline.progress.counts }
  var isCaughtUp: Bool { pipeline.progress.isCaughtUp }

  /// Why it stopped for good, for a person.
  var failure: Diagnostic? {
    switch pipeline.progress.failure {
    case nil: nil
    case .line(let problem): problem
    case .log(let error): error.diagnostic
    }
  }

  /// Files and folders that could not be used, each once.
  func newProblems() -> [Diagnostic] {
    let all = pipeline.progress.problems
    defer { problemsTold = all.count }
    return Array(all.dropFirst(problemsTold))
  }

  /// Ends after what is in hand.
  func stop() {
    pipeline.progress.stop()
    for thread in threads { thread.stop() }
    for thread in threads { thread.join() }
  }
}

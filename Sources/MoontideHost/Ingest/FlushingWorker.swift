public import MoontideCore
import Synchronization

/// The third stage of ingest: makes durable what was appended; one flush covers all batches that came since
/// the last. Owned by one thread.
public final class FlushingWorker: Worker {
  private let log: any EventLog
  private let options: IngestOptions
  private let progress: IngestProgress
  private let clock: any WallClock
  private var lastFlush: Duration

  init(log: any EventLog, options: IngestOptions, progress: IngestProgress, clock: any WallClock) {
    self.log = log
    self.options = options
    self.progress = progress
    self.clock = clock
    lastFlush = clock.monotonic
  }

  public func step() -> StepOutcome {
    let isEnding = progress.isAppendingDone.load(ordering: .acquiring)
    let appended = progress.appended.load(ordering: .acquiring)
    while progress.written.take() != nil {}
    if appended == progress.flushed.load(ordering: .acquiring) {
      return isEnding ? .finished : .idle(for: .milliseconds(100))
    }
    let age = clock.monotonic - lastFlush
    if !isEnding, age < options.flushInterval { return .idle(for: options.flushInterval - age) }
    do throws(LogError) {
      try log.flush()
    } catch {
      progress.fail(.log(error))
      return .finished
    }
    lastFlush = clock.monotonic
    progress.flushed.store(appended, ordering: .releasing)
    return .progressed
  }

  /// Blocks until there may be something to do, at the longest for `timeout`.
  public func wait(for timeout: Duration) { progress.written.wait(for: timeout) }
}

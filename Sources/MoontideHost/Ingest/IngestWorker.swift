public import MoontideCore

/// Takes an event directory into the log: three workers that a host may drive by a thread each, or all of
/// them here from one thread, step by step, as tests and the simulator do.
public final class IngestWorker: Worker {
  /// From any thread.
  public let progress: IngestProgress
  public let parsing: LineParsingWorker
  public let appending: AppendingWorker
  public let flushing: FlushingWorker

  /// - Parameter watch: what tells that the directory changed; nil looks every `options.pollInterval`.
  public init(
    directory: EventDirectory, files: any FileSystem, log: any EventLog, clock: any WallClock,
    options: IngestOptions = IngestOptions(), watch: DirectoryWatch? = nil
  ) {
    progress = IngestProgress()
    parsing = LineParsingWorker(
      directory: directory, files: files, log: log, options: options, progress: progress, watch: watch)
    appending = AppendingWorker(log: log, options: options, progress: progress)
    flushing = FlushingWorker(log: log, options: options, progress: progress, clock: clock)
  }

  /// One step of each stage, in one thread.
  public func step() -> StepOutcome {
    let outcomes = [parsing.step(), appending.step(), flushing.step()]
    if outcomes.contains(.progressed) { return .progressed }
    if outcomes[2] == .finished { return .finished }
    let pauses = outcomes.compactMap { outcome -> Duration? in
      if case .idle(let pause) = outcome { return pause }
      return nil
    }
    return .idle(for: pauses.min() ?? .zero)
  }
}

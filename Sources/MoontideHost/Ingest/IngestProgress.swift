public import MoontideCore
import MoontideJSON
import Synchronization

/// What the workers of ingest share, and what others may look at from any thread: counts, problems, the end.
public final class IngestProgress: Sendable {
  private struct State {
    var counts = IngestCounts()
    var problems: [Diagnostic] = []
    var failure: IngestFailure?
  }

  private let state = Mutex(State())
  /// Batches that left each stage.
  let sent = Atomic<UInt64>(0)
  let appended = Atomic<UInt64>(0)
  let flushed = Atomic<UInt64>(0)
  /// The parsing worker has nothing to do: all files are read to their ends as scanned.
  let isReadingDone = Atomic<Bool>(false)
  let isAppendingDone = Atomic<Bool>(false)
  private let stopping = Atomic<Bool>(false)
  /// Empty batches for the parser, and filled ones for the log.
  let free = Mailbox<ParsedBatch>(capacity: Limits.ingestBatchesMax)
  let parsed = Mailbox<ParsedBatch>(capacity: Limits.ingestBatchesMax)
  /// Something waits for a flush.
  let written = Mailbox<Bool>(capacity: 1)
  /// Always empty: where the parser waits for time to pass.
  let rest = Mailbox<Bool>(capacity: 1)

  init() {
    for _ in 0..<Limits.ingestBatchesMax { free.put(ParsedBatch()) }
  }

  public var counts: IngestCounts { state.withLock { $0.counts } }
  /// In the order in which they came up, each once, at most `Limits.problemsMax`.
  public var problems: [Diagnostic] { state.withLock { $0.problems } }
  /// Why ingest stopped, if it did.
  public var failure: IngestFailure? { state.withLock { $0.failure } }

  /// Everything that the last scan found is durably in the log.
  public var isCaughtUp: Bool {
    isReadingDone.load(ordering: .acquiring)
      && sent.load(ordering: .acquiring) == flushed.load(ordering: .acquiring)
  }

  /// Asks the workers to end after what they hold; they then answer `finished`.
  public func stop() {
    stopping.store(true, ordering: .releasing)
    free.wake()
    parsed.wake()
    written.wake()
    rest.wake()
  }

  var isStopping: Bool { stopping.load(ordering: .acquiring) || failure != nil }

  func count(_ change: (inout IngestCounts) -> Void) { state.withLock { change(&$0.counts) } }

  func report(_ problem: Diagnostic) {
    state.withLock { state in
      guard state.problems.count < Limits.problemsMax, !state.problems.contains(problem) else { return }
      state.problems.append(problem)
    }
  }

  /// Whether the same may work later: out of room, or of file descriptors. Then it is reported.
  func passes(_ error: LogError) -> Bool {
    guard case .file(let fault) = error, fault.isPassing else { return false }
    let title =
      fault.isFullDisk
      ? "ingest: no room on the disk to write \(fault.path)"
      : "ingest: cannot \(fault.operation) \(fault.path) for now: \(fault.reason)"
    let help = fault.isFullDisk ? "free some space: df -h" : "close what holds files open, or raise ulimit -n"
    report(
      Diagnostic(passing: title, help: help).asWarning(
        "ingest waits, and goes on by itself; the files keep their lines"))
    return true
  }

  /// The first failure stays.
  func fail(_ failure: IngestFailure) {
    state.withLock { $0.failure = $0.failure ?? failure }
    free.wake()
    parsed.wake()
    written.wake()
    rest.wake()
  }
}

import CBenchFloor
import Foundation
import MoontideCore
import MoontideHost
import Synchronization

/// Publishes events one at a time beside a running project and measures how long each takes until another
/// connection sees it in the read model.
final class LatencyProbe: RunObserver, @unchecked Sendable {
  // Unchecked: the figures are written by the probe's thread and read after `isDone`.
  private let events: [[UInt8]]
  private let database: String
  private let done = Atomic<Bool>(false)
  private var seconds: [Double] = []
  private var fault: String?

  init(events: [[UInt8]], database: String) {
    self.events = events
    self.database = database
  }

  var isDone: Bool { done.load(ordering: .acquiring) }

  func progress(_ progress: RunProgress) throws(Diagnostic) {}
  func problem(_ problem: Diagnostic) throws(Diagnostic) { throw problem }
  func printed(_ text: String) throws(Diagnostic) {}

  /// Begins on a thread of its own.
  func start(_ access: any ProjectAccess & Sendable) {
    Thread.detachNewThread { [self] in
      do {
        let first = try access.append(PublishRequest(topic: .events, lines: events[0]))
        try access.query(QueryRequest("select 1", after: first.end), to: NoRows())
        guard let reader = bench_checkpoint_open(database) else {
          throw BenchFault("cannot open \(database)")
        }
        defer { bench_checkpoint_close(reader) }
        for event in events.dropFirst() {
          let stopwatch = Stopwatch()
          let outcome = try access.append(PublishRequest(topic: .events, lines: event))
          let end = outcome.end
          let reached = bench_checkpoint_wait(reader, Int64(end.value), 5)
          guard reached >= Int64(end.value) else { throw BenchFault("\(end) was not visible: \(reached)") }
          seconds.append(stopwatch.figure(events: 1).wallSeconds)
        }
      } catch { fault = "\(error)" }
      done.store(true, ordering: .releasing)
    }
  }

  func figure() throws -> Figure {
    if let fault { throw BenchFault(fault) }
    let sorted = seconds.dropFirst(seconds.count / 10).sorted()
    guard !sorted.isEmpty else { throw BenchFault("no event was published") }
    return Figure(
      events: sorted.count, wallSeconds: sorted.reduce(0, +), cpuSeconds: 0, residentMegabytes: 0,
      latencySeconds: sorted[sorted.count / 2], latencyP99Seconds: sorted[sorted.count * 99 / 100])
  }
}

private final class NoRows: RowSink {
  func columns(_ names: [String]) throws(Diagnostic) {}
  func row(_ row: RowBuffer) throws(Diagnostic) {}
}

/// Sees nothing; a problem ends the run.
final class SilentObserver: RunObserver {
  func progress(_ progress: RunProgress) throws(Diagnostic) {}
  func problem(_ problem: Diagnostic) throws(Diagnostic) { if problem.severity != .note { throw problem } }
  func printed(_ text: String) throws(Diagnostic) {}
}

import Foundation
import MoontideCore
import MoontideHost
import Synchronization

/// A read model folded anew beside the one in use, and what readers notice of it.
struct RebuildProbe {
  let paths: ProjectPaths

  /// From the start of the process to the swap, as `process` measures the live path.
  func fold() throws -> Figure {
    let stopwatch = Stopwatch()
    let project = try MoontideProject.open(paths)
    var options = RunOptions()
    options.once = true
    options.ingests = false
    options.only = ["orders"]
    options.asks = RebuildRequest("orders")
    let report = try project.run(options, observer: SilentObserver(), until: { false })
    try project.close()
    return stopwatch.figure(events: Int(report.handlers.map(\.applied).max() ?? 0))
  }

  /// Reads as `query` does, several hundred times a second, while it is rebuilt and swapped: the median, and
  /// as 99th percentile the longest.
  func swap() throws -> Figure {
    let project = try MoontideProject.open(paths)
    let reader = Reader(paths)
    var options = RunOptions()
    options.ingests = false
    options.only = ["orders"]
    _ = try project.run(options, observer: SilentObserver(), until: { reader.isDone }) { access in
      reader.start(during: access)
    }
    try project.close()
    return try reader.figure()
  }

  /// A thread that polls, and one that has the read model rebuilt.
  private final class Reader: Sendable {
    private let paths: ProjectPaths
    private let hasSwapped = Atomic(false)
    private let ended = Atomic(0)
    private let waits = Mutex<[Double]>([])
    private let fault = Mutex<String?>(nil)

    init(_ paths: ProjectPaths) { self.paths = paths }

    var isDone: Bool { ended.load(ordering: .acquiring) == 2 }

    func start(during access: any ProjectAccess & Sendable) {
      spawn { [self] in
        do { _ = try access.rebuild(RebuildRequest("orders"), observer: Deaf()) } catch { note(error) }
        hasSwapped.store(true, ordering: .releasing)
      }
      spawn { [self] in
        while !hasSwapped.load(ordering: .acquiring) {
          let stopwatch = Stopwatch()
          do {
            try ProjectDoor.query(
              QueryRequest("select total from orders.revenue limit 1"), of: paths, to: Deaf())
          } catch { note(error) }
          let wait = stopwatch.figure(events: 1).wallSeconds
          waits.withLock { $0.append(wait) }
          usleep(2_000)
        }
      }
    }

    private func spawn(_ body: @escaping @Sendable () -> Void) {
      let thread = Thread { [self] in
        body()
        ended.add(1, ordering: .acquiringAndReleasing)
      }
      thread.stackSize = 8 << 20
      thread.start()
    }

    private func note(_ error: any Error) { fault.withLock { $0 = $0 ?? "\(error)" } }

    func figure() throws -> Figure {
      if let fault = fault.withLock({ $0 }) { throw BenchFault("a reader beside a swap: \(fault)") }
      let sorted = waits.withLock { $0.sorted() }
      guard let longest = sorted.last else { throw BenchFault("nobody read beside the swap") }
      var figure = Figure(
        events: sorted.count, wallSeconds: sorted.reduce(0, +), cpuSeconds: 0, residentMegabytes: 0)
      figure.latencySeconds = sorted[sorted.count / 2]
      figure.latencyP99Seconds = longest
      return figure
    }
  }

  private final class Deaf: RowSink, RebuildObserver {
    func columns(_ names: [String]) throws(Diagnostic) {}
    func row(_ row: RowBuffer) throws(Diagnostic) {}
    func progress(_ status: RebuildStatus) throws(Diagnostic) {}
  }
}

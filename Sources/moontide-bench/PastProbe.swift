import Foundation
import MoontideCore
import MoontideHost

/// Asks a read model as of random times, once all marks are there: how long a question takes, what was kept.
struct PastProbe {
  /// Questions that are measured.
  private static let questions = 100

  let paths: ProjectPaths

  func figure() throws -> Figure {
    let span = RowKeeper()
    try ask("select min(time_us), max(time_us) from sys.events", .max, span)
    guard span.numbers.count == 2 else { throw BenchFault("the log has no events") }
    // Folds everything and leaves its marks.
    try ask("select count(*) from orders.revenue", .max, RowKeeper())
    var random = SystemRandomNumberGenerator()
    var taken: [Double] = []
    for _ in 0..<PastProbe.questions {
      let until = Int64.random(in: span.numbers[0]...span.numbers[1], using: &random)
      let stopwatch = Stopwatch()
      try ask("select count(*), sum(total) from orders.revenue", until, RowKeeper())
      taken.append(stopwatch.figure(events: 1).wallSeconds)
    }
    taken.sort()
    var figure = Stopwatch().figure(events: PastProbe.questions)
    figure.latencySeconds = taken[taken.count / 2]
    figure.latencyP95Seconds = taken[taken.count * 95 / 100]
    figure.latencyP99Seconds = taken[taken.count * 99 / 100]
    return figure
  }

  private func ask(_ sql: String, _ until: Int64, _ sink: RowKeeper) throws {
    let last = EventTime("9999-12-31T23:59:59Z")?.microseconds ?? 0
    let moment = PastMoment(asOf: .instant(EventTime(microseconds: min(until, last))))
    try PastQuery(paths).run(QueryRequest(sql), at: moment, to: sink, observer: sink)
  }
}

/// Keeps the numbers of one row, and hears of nothing else.
private final class RowKeeper: RowSink, PastObserver {
  private(set) var numbers: [Int64] = []

  func columns(_ names: [String]) throws(Diagnostic) {}
  func row(_ row: RowBuffer) throws(Diagnostic) {
    for cell in row.cells where cell.kind == .integer { numbers.append(cell.bits) }
  }
  func resolved(_ text: String) throws(Diagnostic) {}
  func folding(_ name: String, done: UInt64, total: UInt64) throws(Diagnostic) {}
  func folded(_ name: String) throws(Diagnostic) {}
  func note(_ text: String) throws(Diagnostic) {}
}

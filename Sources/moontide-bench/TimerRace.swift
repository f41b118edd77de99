import Foundation
import MoontideCore

/// What open instances cost while they wait for their timers: to begin with them, a step with nothing due,
/// one with a timer due, and memory; at 1,000, 10,000 and 100,000 of them.
struct TimerRace {
  let contest: Contest

  private static let sizes = [1_000, 10_000, 100_000]
  private static let kinds = [
    (Tick.start, "to begin"), (Tick.idle, "nothing due"), (Tick.due, "one timer due"),
  ]

  /// What is measured of a saga that waits.
  enum Tick: String, CaseIterable {
    case start, idle, due
  }

  private static let renewal = """
    saga "renewal" {
      starts_on = "ContractSigned", from = "start",
      correlate = function(event) return event.key end,
      initial = function(event) return { contract = event.key, customer = event.data.customer } end,
      on = { ContractSigned = function(state, event, ctx) ctx.timer("renew", "30d") end },
      timers = { renew = function(state, ctx) ctx.emit(events.RenewalDue { customer = state.customer }) end },
    }
    """

  func run(_ report: inout Report) throws {
    let projects = try Self.sizes.map { try project($0) }
    for (tick, name) in Self.kinds {
      var runs: [[Figure]] = projects.map { _ in [] }
      for _ in 0..<contest.rounds {
        for (index, project) in projects.enumerated() {
          runs[index].append(try contest.work(["timers", project, "--tick", tick.rawValue]))
        }
      }
      let figures = runs.map { Figure.median($0) }
      for (size, figure) in zip(Self.sizes, figures) {
        report.add("open instances, \(name)", "moontide: \(size) of them", figure)
      }
      let (few, many) = (figures[0], figures[figures.count - 1])
      switch tick {
      case .start:
        report.compare("100,000 open instances: seconds to begin", many.latencySeconds ?? 0, atMost: 0.5)
      case .idle:
        report.compare(
          "100,000 open instances: CPU of a step against 1,000", many.cpuMicroseconds / few.cpuMicroseconds,
          atMost: 1.5)
        report.compare(
          "100,000 open instances: resident MB against 1,000",
          Double(many.residentMegabytes) / Double(few.residentMegabytes), atMost: 1.5)
      case .due:
        report.compare(
          "100,000 open instances: CPU of a timer against 1,000", many.cpuMicroseconds / few.cpuMicroseconds,
          atMost: 1.5)
      }
    }
  }

  /// A project whose saga has taken up that many contracts, none of them due before `firstDue`.
  private func project(_ contracts: Int) throws -> String {
    let name = "timers-\(contracts)"
    let lines = contest.workload.scratch.appending(path: "\(name).jsonl")
    let text = (0..<contracts).map { number in
      let time = EventTime(microseconds: TimerRace.firstSigned + Int64(number) * 1_000_000)
      return #"{"id":"e-\#(number)","type":"ContractSigned","key":"contract-\#(number)","time":"\#(time)","#
        + #""data":{"customer":"c-\#(number % 977)"}}"# + "\n"
    }
    try text.joined().write(to: lines, atomically: true, encoding: .utf8)
    let project = try contest.fresh(name, handlers: [], lines: lines)
    try Self.renewal.write(toFile: project + "/handlers/renewal.lua", atomically: true, encoding: .utf8)
    _ = try contest.work(["process", project])
    return project
  }

  /// 2100-01-01: by the time of day of a run nothing is due. One contract is signed a second.
  private static let firstSigned: Int64 = 4_102_444_800_000_000
  private static let delay: Int64 = 30 * 86_400_000_000

  /// One of the measurements, in a process of its own.
  static func measure(_ tick: Tick, _ project: String) throws -> Figure {
    let due = firstSigned + delay
    let probe = try SagaProbe(project, at: EventTime(microseconds: due - 86_400_000_000))
    var figure = probe.opening
    try probe.settle()
    switch tick {
    case .start: figure.latencySeconds = figure.wallSeconds
    case .idle:
      let ticks = 2_000
      let stopwatch = Stopwatch()
      for _ in 0..<ticks { try probe.tick() }
      figure = stopwatch.figure(events: ticks)
    case .due:
      let ticks = 200
      // What earlier rounds fired is not due again.
      let first = Int64(probe.fired)
      probe.clock.set(EventTime(microseconds: due + first * 1_000_000))
      try probe.settle()
      let stopwatch = Stopwatch()
      for tick in 1...Int64(ticks) {
        probe.clock.set(EventTime(microseconds: due + (first + tick) * 1_000_000))
        try probe.settle()
      }
      figure = stopwatch.figure(events: ticks)
    }
    figure.residentMegabytes = try resident()
    try probe.close()
    return figure
  }

  /// MB of 2^20 bytes that this process holds now.
  private static func resident() throws -> Int {
    let words = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
    guard words.count > 1, let pages = Int(words[1]) else { throw BenchFault("no size of this process") }
    return (pages * Int(sysconf(Int32(_SC_PAGESIZE)))) >> 20
  }
}

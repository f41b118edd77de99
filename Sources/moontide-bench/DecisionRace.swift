import Foundation

/// How long one decision takes in a small log and in a large one, with the flush that makes it durable and
/// without; and how long it takes to load a long stream with a snapshot. The small log has no floor but
/// itself.
struct DecisionRace {
  let contest: Contest

  private static let small = 10_000
  private static let large = 1_000_000
  private static let long = 100_000
  /// Events of each of the other streams.
  private static let short = 10
  /// Commands of a round, each to a stream that was not asked for before; then as many again to each.
  private static let streams = 1_000
  private static let again = 3
  private static let rounds = 5

  func run(_ report: inout Report) throws {
    let projects = [try project("decisions-small", Self.small), try project("decisions-large", Self.large)]
    var decided: [(bare: [Figure], durable: [Figure])] = []
    for round in 0..<Self.rounds { decided.append(try decide(projects, round)) }
    for (name, figures) in [
      ("without the flush", decided.map(\.bare)), ("with the flush", decided.map(\.durable)),
    ] {
      let (few, many) = (Figure.median(figures.map { $0[0] }), Figure.median(figures.map { $0[1] }))
      report.add("one decision, 10,000 events", "moontide: \(name)", few)
      report.add("one decision, 1,000,000 events", "moontide: \(name)", many)
      let ratios = figures.map { ($0[1].latencyP99Seconds ?? 0) / ($0[0].latencyP99Seconds ?? 1) }
      report.compare(
        "one decision \(name): p99 at 1,000,000 events against 10,000", ratios.sorted()[Self.rounds / 2],
        atMost: 1.2)
    }
    try load(projects[1], &report)
  }

  /// One log after the other is asked, so that both meet the same machine.
  private func decide(_ projects: [String], _ round: Int) throws -> (bare: [Figure], durable: [Figure]) {
    let probes = try projects.map { try DecisionProbe($0) }
    var bare: [[Double]] = projects.map { _ in [] }
    var durable = bare
    for turn in 0...Self.again {
      for stream in 0..<Self.streams {
        for (index, probe) in probes.enumerated() {
          let id = "r\(round)-\(turn)-\(stream)"
          let decided = try probe.decide("Deposit", "acc-\(stream)", id: id)
          bare[index].append(decided.seconds)
          durable[index].append(decided.durable)
        }
      }
    }
    for probe in probes { try probe.close() }
    return (bare.map { Self.figure($0) }, durable.map { Self.figure($0) })
  }

  private func load(_ project: String, _ report: inout Report) throws {
    var folded: [Double] = []
    var loaded: [Double] = []
    for round in 0..<contest.rounds {
      try contest.remove(project + "/.moontide/snapshots")
      let first = try look(project, "l\(round)-1")
      let second = try look(project, "l\(round)-2")
      guard first.state == second.state, first.state != nil else {
        throw BenchFault("a stream has another state with its snapshot than without")
      }
      folded.append(first.seconds)
      loaded.append(second.seconds)
    }
    let (without, with) = (Self.figure(folded), Self.figure(loaded))
    report.add("a stream of 100,000 events", "moontide: folded", without)
    report.add("a stream of 100,000 events", "moontide: with a snapshot", with)
    report.compare(
      "a stream of 100,000 events: milliseconds with a snapshot", (with.latencySeconds ?? 0) * 1e3, atMost: 5)
  }

  /// The first command to the long stream in a log that was just opened.
  private func look(_ project: String, _ id: String) throws -> (seconds: Double, state: [UInt8]?) {
    let probe = try DecisionProbe(project)
    let looked = try probe.decide("Look", "long", id: id)
    try probe.close()
    return (looked.seconds, looked.explanation.before)
  }

  private static func figure(_ seconds: [Double]) -> Figure {
    let sorted = seconds.sorted()
    return Figure(
      events: sorted.count, wallSeconds: sorted.reduce(0, +), cpuSeconds: 0, residentMegabytes: 0,
      latencySeconds: sorted[sorted.count / 2], latencyP99Seconds: sorted[sorted.count * 99 / 100])
  }

  /// A log of deposits: short streams, and in a large log the long one among them.
  private func project(_ name: String, _ events: Int) throws -> String {
    let lines = contest.workload.scratch.appending(path: "\(name).jsonl")
    guard FileManager.default.createFile(atPath: lines.path, contents: nil) else {
      throw BenchFault("cannot write \(lines.path)")
    }
    let file = try FileHandle(forWritingTo: lines)
    let long = events > Self.long ? Self.long : 0
    let streams = (events - long) / Self.short
    var text = ""
    for number in 0..<events {
      let isLong = long > 0 && number % (events / long) == 0
      let account = isLong ? "long" : "acc-\(number % streams)"
      text +=
        #"{"id":"e-\#(number)","type":"Deposited","key":"\#(account)","time":"2026-11-17T09:00:00Z","#
        + #""data":{"amount":\#(number % 97)}}"# + "\n"
      if text.utf8.count > 1 << 20 || number == events - 1 {
        try file.write(contentsOf: Data(text.utf8))
        text = ""
      }
    }
    try file.close()
    let project = try contest.fresh(name, handlers: [], lines: lines)
    try CommandRace.account.write(
      toFile: project + "/handlers/account.lua", atomically: true, encoding: .utf8)
    _ = try contest.work(["ingest", project])
    return project
  }
}

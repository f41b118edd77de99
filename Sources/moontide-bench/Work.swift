import ArgumentParser
import Foundation
import MoontideCore
import MoontideHost

/// One piece of Moontide's work in this process; prints its figure as JSON. `compare` calls it.
struct Work: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "work", abstract: "One piece of work in this process, its figure as JSON.",
    shouldDisplay: false)

  enum Kind: String, ExpressibleByArgument {
    case ingest, process, pass, reopen, key, latency, past, commands, saga, timers, rebuild, swap, ask
  }

  @Argument var kind: Kind
  @Argument var project: String
  @Option var batch: Int?
  @Option var only: [String] = []
  @Option var lines: String?
  @Option var senders = 1
  @Option var tick = TimerRace.Tick.idle
  @Option var question = AskProbe.Question.position

  func run() throws {
    let paths = try ProjectFinder.find(project, files: SystemSurroundings.files)
    let figure =
      switch kind {
      case .ingest: try once(paths, only: [])
      case .process: try once(paths, only: only.isEmpty ? nil : Set(only))
      case .pass: try pass(paths)
      case .reopen: try reopen(paths)
      case .key: try key(paths)
      case .latency: try latency(paths)
      case .past: try PastProbe(paths: paths).figure()
      case .commands: try commands(paths)
      case .saga: try saga()
      case .timers: try TimerRace.measure(tick, project)
      case .rebuild: try RebuildProbe(paths: paths).fold()
      case .swap: try RebuildProbe(paths: paths).swap()
      case .ask: try AskProbe(paths: paths, question: question).figure()
      }
    print(String(decoding: try JSONEncoder().encode(figure), as: UTF8.self))
  }

  private func once(_ paths: ProjectPaths, only: Set<String>?) throws -> Figure {
    let stopwatch = Stopwatch()
    let project = try MoontideProject.open(paths)
    var options = RunOptions()
    options.once = true
    options.only = only
    options.batchRecords = batch
    let report = try project.run(options, observer: SilentObserver(), until: { false })
    try project.close()
    let events =
      only?.isEmpty == true
      ? report.ingested + report.repeats : report.handlers.map(\.applied).max() ?? 0
    return stopwatch.figure(events: Int(events))
  }

  /// One run until every handler has come through the log, whatever it then still tries again.
  private func pass(_ paths: ProjectPaths) throws -> Figure {
    let project = try MoontideProject.open(paths)
    var options = RunOptions()
    options.once = true
    options.ingests = false
    options.only = Set(only)
    let observer = PassObserver()
    _ = try project.run(options, observer: observer, until: { observer.figure != nil })
    try project.close()
    guard let figure = observer.figure else { throw BenchFault("the handlers did not come through the log") }
    return figure
  }

  private func reopen(_ paths: ProjectPaths) throws -> Figure {
    let stopwatch = Stopwatch()
    let project = try MoontideProject.open(paths)
    var figure = stopwatch.figure(events: 1)
    figure.latencySeconds = figure.wallSeconds
    try project.close()
    return figure
  }

  /// The first read of one key, in a process that has just opened the log.
  private func key(_ paths: ProjectPaths) throws -> Figure {
    let project = try MoontideProject.open(paths)
    let log = project.log
    guard let topic = log.topics().first(where: { $0.name == .events }) else {
      throw BenchFault("no topic events")
    }
    let batch = RecordBatch()
    var found: [Double] = []
    for order in stride(from: 1, to: 2_000, by: 97) {
      let digits = String(order)
      let key = Array("ord-\(String(repeating: "0", count: 8 - digits.count))\(digits)".utf8)
      let stopwatch = Stopwatch()
      _ = try log.read(topic: topic.id, key: key, from: 0, records: 100, into: batch)
      found.append(stopwatch.figure(events: 1).wallSeconds)
      guard !batch.records.isEmpty else { throw BenchFault("no event of ord-\(digits)") }
    }
    var figure = Figure(
      events: found.count, wallSeconds: found.reduce(0, +), cpuSeconds: 0, residentMegabytes: 0)
    found.sort()
    figure.latencySeconds = found[found.count / 2]
    figure.latencyP99Seconds = found[found.count - 1]
    try project.close()
    return figure
  }

  /// One event at a time: appended, and waited for until the read model has it.
  private func latency(_ paths: ProjectPaths) throws -> Figure {
    guard let lines else { throw BenchFault("latency needs --lines") }
    let text = try Data(contentsOf: URL(fileURLWithPath: lines)).prefix(400_000)
    let events = text.split(separator: UInt8(ascii: "\n")).prefix(400).map {
      Array($0) + [UInt8(ascii: "\n")]
    }
    let probe = LatencyProbe(events: events, database: self.project + "/data/readmodels/orders.sqlite")
    let project = try MoontideProject.open(paths)
    _ = try project.run(RunOptions(), observer: probe, until: { probe.isDone }, started: { probe.start($0) })
    try project.close()
    return try probe.figure()
  }

  /// Each sender waits for the outcome of its command before it sends the next.
  private func commands(_ paths: ProjectPaths) throws -> Figure {
    guard let lines else { throw BenchFault("commands needs --lines") }
    let commands = try Data(contentsOf: URL(fileURLWithPath: lines)).split(separator: UInt8(ascii: "\n")).map
    {
      Array($0)
    }
    let probe = CommandProbe(commands, senders: senders)
    let project = try MoontideProject.open(paths)
    _ = try project.run(RunOptions(), observer: probe, until: { probe.isDone }, started: { probe.start($0) })
    try project.close()
    return try probe.figure()
  }

  /// The saga's worker alone, over a log that has all that concerns it; two steps for three events.
  private func saga() throws -> Figure {
    let probe = try SagaProbe(project)
    let stopwatch = Stopwatch()
    try probe.advance()
    let figure = stopwatch.figure(events: Int(probe.applied) * 2 / 3)
    guard figure.events > 0, try !probe.hasOpenInstances else {
      throw BenchFault("not every instance has ended")
    }
    try probe.close()
    return figure
  }
}

extension TimerRace.Tick: ExpressibleByArgument {}

/// Wall and processor time of a piece of work.
struct Stopwatch {
  private let wall = Stopwatch.read(CLOCK_MONOTONIC)
  private let cpu = Stopwatch.read(CLOCK_PROCESS_CPUTIME_ID)

  func figure(events: Int) -> Figure {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return Figure(
      events: events, wallSeconds: Stopwatch.read(CLOCK_MONOTONIC) - wall,
      cpuSeconds: Stopwatch.read(CLOCK_PROCESS_CPUTIME_ID) - cpu,
      residentMegabytes: Int(usage.ru_maxrss / 1024))
  }

  private static func read(_ clock: clockid_t) -> Double {
    var time = timespec()
    clock_gettime(clock, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}

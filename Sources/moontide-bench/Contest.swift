import CBenchFloor
import Foundation

/// Runs floor, opponent and Moontide in turn, round by round, so that a drift of the machine meets all of
/// them.
struct Contest {
  let workload: Workload
  let rounds: Int
  let batches: [Int]
  let withOpponent: Bool
  let withScattered: Bool
  /// Which parts run; none: all.
  let only: [String]

  private var scratch: URL { workload.scratch }

  /// The parts by name, in the order in which they run; some use what `process` leaves.
  private var parts: [(name: String, run: (inout Report) throws -> Void)] {
    let largest = batches.max() ?? 5_000
    return [
      ("ingest", ingest), ("process", { report in for batch in batches { try process(batch, &report) } }),
      ("safety", { try safety(largest, &$0) }),
      ("scattered", { if withScattered { try processScattered(largest, &$0) } }),
      ("upcasting", { try UpcastChain(contest: self, batch: largest).run(&$0) }),
      ("reopen", reopen), ("two", twoProjections), ("latency", latency), ("past", past),
      ("commands", { try CommandRace(contest: self).run(&$0) }),
      ("decisions", { try DecisionRace(contest: self).run(&$0) }),
      ("sagas", { try SagaRace(contest: self).run(&$0) }),
      ("timers", { try TimerRace(contest: self).run(&$0) }),
      ("rebuild", { try RebuildRace(contest: self).run(&$0) }),
      ("ask", { try AskRace(contest: self).run(&$0) }),
    ]
  }

  func run() throws -> Report {
    var report = Report(machine: Machine.description, events: workload.events)
    for part in parts where only.isEmpty || only.contains(part.name) {
      tell(part.name)
      try part.run(&report)
    }
    return report
  }

  private func tell(_ work: String) { FileHandle.standardError.write(Data("==> \(work)\n".utf8)) }

  // MARK: Workloads

  private func ingest(_ report: inout Report) throws {
    var ours: [Figure] = []
    var raw: [Figure] = []
    for _ in 0..<rounds {
      if withOpponent { raw.append(try opponent(["ingest", workload.lines.path, path("raw.log")])) }
      let project = try fresh("ingest", handlers: [])
      ours.append(try work(["ingest", project]))
    }
    let figure = Figure.median(ours)
    report.add("ingest", "moontide: checked, unique, synced", figure)
    guard withOpponent else { return }
    let floor = Figure.median(raw)
    report.add("ingest", "raw append (opponent)", floor)
    report.compare("ingest: rate against the raw append", figure.rate / floor.rate, atLeast: 0.4)
  }

  private func process(_ batch: Int, _ report: inout Report) throws {
    var ours: [Figure] = []
    var floors: [Figure] = []
    var table: [Figure] = []
    var memory: [Figure] = []
    let handler = workload.folder.appending(path: "afternoon.lua").path
    let project = try fresh("process", handlers: ["orders"])
    _ = try work(["ingest", project])
    for _ in 0..<rounds {
      floors.append(try floor(batch))
      if withOpponent {
        for (kind, arguments) in [("table", [String]()), ("memory", ["memory"])] {
          let database = try absent("opponent.sqlite")
          let figure = try opponent(["process", path("raw.log"), database, "\(batch)", handler] + arguments)
          try workload.check(database)
          if kind == "table" { table.append(figure) } else { memory.append(figure) }
        }
      }
      try remove(project + "/data/readmodels")
      ours.append(try work(["process", project, "--batch", "\(batch)"]))
      try workload.check(project + "/data/readmodels/orders.sqlite")
    }
    let name = "process, batch \(batch)"
    let figure = Figure.median(ours)
    let floor = Figure.median(floors)
    report.add(name, "moontide: one projection", figure)
    report.add(name, "floor: parse and SQL alone", floor)
    report.compare(
      "\(name): CPU against the unfolded floor", figure.cpuMicroseconds / floor.cpuMicroseconds, atMost: 1.5)
    report.compare("\(name): resident MB", Double(figure.residentMegabytes), atMost: 150)
    guard withOpponent else { return }
    for (kind, runs, goal) in [("ids in a table", table, 2.5), ("ids in memory", memory, 1.6)] {
      let peer = Figure.median(runs)
      report.add(name, "opponent: \(kind)", peer)
      report.compare("\(name): rate against the opponent, \(kind)", figure.rate / peer.rate, atLeast: goal)
    }
  }

  /// What it costs to count a script's instructions and to look at the clock: the same work in a process
  /// whose Lua has no hooks. Matcher, libraries and bounds are those of always.
  private func safety(_ batch: Int, _ report: inout Report) throws {
    let project = path("process")
    let hookless = try workload.hooklessLua()
    var watched: [Figure] = []
    var unwatched: [Figure] = []
    for _ in 0..<rounds {
      for library in [nil, hookless] {
        try remove(project + "/data/readmodels")
        let figure = try work(["process", project, "--batch", "\(batch)"], preloading: library)
        if library == nil { watched.append(figure) } else { unwatched.append(figure) }
      }
    }
    let (figure, bare) = (Figure.median(watched), Figure.median(unwatched))
    report.add("safety", "moontide: one projection", figure)
    report.add("safety", "the same without a hook", bare)
    report.compare(
      "safety: CPU against the same without a hook", figure.cpuMicroseconds / bare.cpuMicroseconds,
      atMost: 1.1)
  }

  /// The same events in random order: what is left where merging by key spares nothing.
  private func processScattered(_ batch: Int, _ report: inout Report) throws {
    var ours: [Figure] = []
    var floors: [Figure] = []
    let project = try fresh("scattered", handlers: ["orders"], lines: workload.scatteredLines)
    _ = try work(["ingest", project])
    for _ in 0..<rounds {
      floors.append(try floor(batch, scattered: true))
      try remove(project + "/data/readmodels")
      ours.append(try work(["process", project, "--batch", "\(batch)"]))
      try workload.check(project + "/data/readmodels/orders.sqlite", scattered: true)
    }
    let name = "scattered keys, batch \(batch)"
    report.add(name, "moontide: one projection", Figure.median(ours))
    report.add(name, "floor: parse and SQL alone", Figure.median(floors))
    report.compare(
      "\(name): CPU against the unfolded floor",
      Figure.median(ours).cpuMicroseconds / Figure.median(floors).cpuMicroseconds, atMost: 1.5)
  }

  private func reopen(_ report: inout Report) throws {
    let project = path("process")
    let reopened = try (0..<rounds).map { _ in try work(["reopen", project]) }
    report.add("open a clean log", "moontide", Figure.median(reopened))
    report.compare("open a clean log: seconds", Figure.median(reopened).latencySeconds ?? 0, atMost: 1)
    let keys = try (0..<rounds).map { _ in try work(["key", project]) }
    report.add("events of one key, first", "moontide", Figure.median(keys))
    report.compare(
      "events of one key: milliseconds", (Figure.median(keys).latencySeconds ?? 0) * 1e3, atMost: 1)
  }

  private func twoProjections(_ report: inout Report) throws {
    let project = try fresh("two", handlers: ["orders", "orders_again"])
    _ = try work(["ingest", project])
    var single: [Figure] = []
    var both: [Figure] = []
    for _ in 0..<rounds {
      try remove(project + "/data/readmodels")
      single.append(try work(["process", project, "--only", "orders"]))
      try remove(project + "/data/readmodels")
      both.append(try work(["process", project]))
      try workload.check(project + "/data/readmodels/orders_again.sqlite")
    }
    let one = Figure.median(single)
    let two = Figure.median(both)
    report.add("two projections", "moontide: one of them", one)
    report.add("two projections", "moontide: both", two)
    report.compare("two projections: events handled against one", 2 * two.rate / one.rate, atLeast: 1.8)
  }

  private func latency(_ report: inout Report) throws {
    let project = try fresh("latency", handlers: ["orders"])
    var median = 0.0
    let folder = try directory("latency-floor")
    let result = bench_floor_latency(folder, 300, &median)
    try Contest.check(result)
    let figure = try work(["latency", project, "--lines", workload.distinctLines.path])
    report.add("idle latency", "moontide: append to visible", figure)
    report.add(
      "idle latency", "floor: fdatasync and SQLite commit",
      Figure(events: 300, wallSeconds: 0, cpuSeconds: 0, residentMegabytes: 0, latencySeconds: median))
    report.compare("idle latency: p50 against the floor", (figure.latencySeconds ?? 0) / median, atMost: 1.5)
    report.compare("idle latency: p99 against the floor", (figure.latencyP99Seconds ?? 0) / median, atMost: 5)
  }

  /// Random times, once the marks are there; and what they cost on the disk.
  private func past(_ report: inout Report) throws {
    let project = path("process")
    try remove(project + "/.moontide/as-of")
    let figure = try work(["past", project])
    report.add("query --as-of a random time", "moontide", figure)
    report.compare("query --as-of: p95 seconds", figure.latencyP95Seconds ?? 0, atMost: 1)
    report.compare(
      "query --as-of: bytes kept against the log's",
      try bytes(project + "/.moontide/as-of") / bytes(project + "/data/log/segments"), atMost: 1.25)
  }

  /// In units of 1024 that the folder takes on the disk, or bytes that its files are long.
  func bytes(_ folder: String, apparent: Bool = false) throws -> Double {
    try Double(Command.run("du", [apparent ? "-sb" : "-sk", folder]).prefix { $0.isNumber }) ?? 0
  }

  // MARK: Contenders

  private func floor(_ batch: Int, scattered: Bool = false) throws -> Figure {
    let lines = scattered ? workload.scatteredLines : workload.distinctLines
    let result = bench_floor_process(lines.path, try absent("floor.sqlite"), Int64(batch))
    let figure = try Contest.figure(result)
    try workload.check(path("floor.sqlite"), scattered: scattered)
    return figure
  }

  /// The changes of the upcasting workload in C++ alone.
  func upcastFloor() throws -> Figure {
    try Contest.figure(bench_floor_upcast(workload.distinctLines.path))
  }

  static func figure(_ result: bench_floor_result) throws -> Figure {
    try check(result)
    return Figure(
      events: Int(result.events), wallSeconds: result.wall_seconds, cpuSeconds: result.cpu_seconds,
      residentMegabytes: 0)
  }

  private static func check(_ result: bench_floor_result) throws {
    let message = withUnsafeBytes(of: result.error) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    guard message.isEmpty else { throw BenchFault("the floor failed: \(message)") }
  }

  /// `process events=200000 wall=2.5s rate=80224/s cpu=11.692us/event rss=16MB`
  private func opponent(_ arguments: [String]) throws -> Figure {
    let output = try Command.run(workload.opponent.path, arguments)
    var values: [Substring: Double] = [:]
    for word in output.split(whereSeparator: \.isWhitespace) {
      let parts = word.split(separator: "=")
      if parts.count == 2 { values[parts[0]] = Double(parts[1].prefix { $0.isNumber || $0 == "." }) }
    }
    guard let events = values["events"], let wall = values["wall"], let cpu = values["cpu"],
      let rss = values["rss"]
    else { throw BenchFault("the opponent said \(output)") }
    return Figure(
      events: Int(events), wallSeconds: wall, cpuSeconds: cpu * events / 1e6, residentMegabytes: Int(rss))
  }

  /// One piece of work in a process of its own, so that its memory is its own.
  func work(_ arguments: [String], preloading library: String? = nil) throws -> Figure {
    let command = [CommandLine.arguments[0], "work"] + arguments
    let output = try Command.run("env", (library.map { ["LD_PRELOAD=\($0)"] } ?? []) + command)
    return try JSONDecoder().decode(Figure.self, from: Data(output.utf8))
  }

  // MARK: Files

  private func path(_ name: String) -> String { scratch.appending(path: name).path }

  func remove(_ path: String) throws {
    if FileManager.default.fileExists(atPath: path) { try FileManager.default.removeItem(atPath: path) }
  }

  private func absent(_ name: String) throws -> String {
    for ending in ["", "-wal", "-shm"] { try remove(path(name) + ending) }
    return path(name)
  }

  func directory(_ name: String) throws -> String {
    try remove(path(name))
    try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
    return path(name)
  }

  /// A new project whose event directory holds the workload, unless it is one that is given its events.
  func fresh(_ name: String, handlers: [String], lines: URL? = nil) throws -> String {
    let project = try directory(name)
    for folder in ["events", "handlers"] {
      try FileManager.default.createDirectory(
        atPath: "\(project)/\(folder)", withIntermediateDirectories: true)
    }
    if name != "latency", name != "commands" {
      try FileManager.default.linkItem(
        atPath: (lines ?? workload.lines).path, toPath: project + "/events/orders.jsonl")
    }
    for handler in handlers {
      let text = Handler.projection(handler)
      try text.write(toFile: "\(project)/handlers/\(handler).lua", atomically: true, encoding: .utf8)
    }
    return project
  }
}

import Foundation
import Testing

/// A poison event in each of 1,000 keys and in a hot one, with the binary as it is built, killed again and
/// again. `MOONTIDE_KILLS` says how often (5).
@Suite(.serialized) struct PoisonTests {
  private static let kills = ProcessInfo.processInfo.environment["MOONTIDE_KILLS"].flatMap { Int($0) } ?? 5

  private static func handlers(mended: Bool) -> String {
    let fault = mended ? "" : "if event.data.bad then error(\"no\") end"
    return """
      consumer "c" { from = "start", retry = { attempts = 2, backoff = "1ms" }, on = { A = function(event, ctx)
        \(fault)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "B", topic = "out", data = { i = event.data.i, n = ctx.state.n } }
      end } }
      projection "p" {
        schema = "create table t(k text primary key, n integer not null, last integer)",
        on = { A = function(event, db)
          db.t:add(event.key, { n = event.data.i })
          db.t:put { k = event.key, last = event.data.i, n = event.data.i }
          \(fault)
        end },
      }
      """
  }

  private struct Line {
    var key: String
    var isBad: Bool
  }

  /// The keys `k0` to `k999` with three events each, of which the first or the second is bad; and `hot`
  /// with 300, of which the 20th is.
  private static let lines: [Line] = {
    var lines: [Line] = []
    for index in 0..<3_300 {
      let isHot = index % 11 == 0
      let number = index - index / 11 - 1
      lines.append(
        isHot
          ? Line(key: "hot", isBad: index == 220)
          : Line(key: "k\(number % 1_000)", isBad: number / 1_000 == number % 2))
    }
    return lines
  }()

  private static let events = lines.enumerated().map { index, line in
    let more = line.isBad ? #","bad":1"# : ""
    return #"{"id":"a-\#(index)","type":"A","key":"\#(line.key)","data":{"i":\#(index)\#(more)}}"# + "\n"
  }.joined()

  private func project(mended: Bool = false) throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.handlers(mended: mended), to: "handlers/a.lua")
    try project.write(Self.events, to: "events/a.jsonl")
    return project
  }

  /// Per key in order, what the consumer emitted.
  private func emitted(_ project: TestProject) throws -> [[JSONCell]] {
    try project.query("select key, data from sys.events where topic = 'out' order by key, position")
  }

  private func rows(_ project: TestProject) throws -> [[JSONCell]] {
    try project.query("select k, n, last from t order by k")
  }

  /// Runs a command and kills it after at most `longest` microseconds; false when it had ended.
  private func kill(_ arguments: [String], within longest: UInt32, _ random: inout UInt32) throws -> Bool {
    let process = try Binary.start(arguments)
    random = random &* 1_664_525 &+ 1_013_904_223
    usleep(2_000 + (random >> 8) % max(longest, 1))
    let isRunning = process.isRunning
    Glibc.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    return isRunning && process.terminationReason == .uncaughtSignal
  }

  private func microseconds(_ body: () throws -> Void) rethrows -> UInt32 {
    let took = try ContinuousClock().measure(body)
    return UInt32(clamping: Int64(took / .microseconds(1)))
  }

  private func seed(_ what: String) -> UInt32 {
    let again = ProcessInfo.processInfo.environment["MOONTIDE_SEED"].flatMap { UInt32($0) }
    let seed = again ?? UInt32.random(in: 0..<1_000_000)
    print("\(what): seed \(seed)")
    return seed
  }

  @Test func `after mending, outputs and rows are an undisturbed run's, though every retry was killed`()
    throws
  {
    let undisturbed = try project(mended: true)
    try undisturbed.runOnce()
    let (wanted, wantedRows) = (try emitted(undisturbed), try rows(undisturbed))
    #expect(wanted.count == 3_300 && wantedRows.count == 1_001)

    let calm = try project()
    try calm.runOnce()
    #expect(
      try calm.query("select handler, count(*) from sys.dead_letters group by 1 order by 1")
        == [[JSONCell("c"), JSONCell("1001")], [JSONCell("p"), JSONCell("1001")]])
    try calm.write(Self.handlers(mended: true), to: "handlers/a.lua")
    let took = try microseconds { try Binary.succeed(["dead", "retry", calm.path, "--all"]) }
    try calm.runOnce()
    #expect(try emitted(calm) == wanted)
    #expect(try rows(calm) == wantedRows)

    var random = seed("killed redrives")
    let project = try project()
    try project.runOnce()
    try project.write(Self.handlers(mended: true), to: "handlers/a.lua")
    var killed = 0
    let retry = ["dead", "retry", project.path, "--all"]
    for _ in 0..<Self.kills where try kill(retry, within: took / 4 * 3, &random) {
      killed += 1
    }
    #expect(killed > 0, "no retry was killed in \(took) us")
    if try project.query("select count(*) from sys.dead_letters") != [[JSONCell("0")]] {
      try Binary.succeed(["dead", "retry", project.path, "--all"])
    }
    try project.runOnce()
    #expect(try emitted(project) == wanted)
    #expect(try rows(project) == wantedRows)
    #expect(try Binary.run(["doctor", project.path]).status == 0)
  }

  @Test func `a rebuild that follows decisions is killed and comes to the rows of one that is not`() throws {
    let calm = try project()
    try calm.runOnce()
    let took = try microseconds {
      try Binary.succeed(["dead", "skip", calm.path, "p", "--reason", "a test"])
    }
    var last: [String: Int] = [:]
    for (index, line) in Self.lines.enumerated() where !line.isBad { last[line.key] = index }
    let wanted = last.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { key, index in
      [key, "\(index)", "\(index)"].map { JSONCell($0) }
    }
    #expect(try rows(calm) == wanted)
    let dump = try calm.dump("p")

    var random = seed("killed rebuilds")
    let project = try project()
    try project.runOnce()
    var killed = 0
    for round in 0..<Self.kills {
      // The first one decides and rebuilds; those after it go on with what it decided, if it came to that.
      let decides = round == 0 || killed == 0
      let command =
        decides
        ? ["dead", "skip", project.path, "p", "--reason", "a test"] : ["run", project.path, "--once", "-q"]
      if try kill(command, within: took / 4 * 3, &random) { killed += 1 }
    }
    #expect(killed > 0, "no rebuild was killed in \(took) us")
    try project.runOnce()
    if try project.query("select dead from sys.handlers where name = 'p'") != [[JSONCell("0")]] {
      try Binary.succeed(["dead", "skip", project.path, "p", "--reason", "a test"])
    }
    #expect(try rows(project) == wanted)
    // How many decisions were written is in the file, too: a killed one may have been made again.
    let decided = "INSERT INTO _mt_counts VALUES('decided',"
    func without(_ dump: String) -> [Substring] {
      dump.split(separator: "\n").filter { !$0.contains(decided) }
    }
    #expect(without(try project.dump("p")) == without(dump))
    #expect(try project.query("select dead from sys.handlers where name = 'p'") == [[JSONCell("0")]])
    #expect(try Binary.run(["projection", "verify", project.path, "p"]).status == 0)
  }
}

import Foundation
import Glibc
import Testing

/// Statements that do no good, through the binary and through the socket of a run, judged from outside: by
/// the exit code, the clock, the memory of the process and the files of the project.
@Suite struct HostileSQLTests {
  private static let timeout = 0.2
  /// Behind the deadline: starting the process on a busy machine, and the steps that cannot be left.
  private static let slack = 1.8
  /// What SQLite may take for one query, the binary itself, and room for what the allocator keeps.
  private static let memoryMax = 900 << 20

  private func shop() throws -> TestProject {
    let project = try TestProject()
    try project.write(HostileStatement.projection, to: "handlers/shop.lua")
    let words = (0..<40).map { "w\($0)" }.joined(separator: " ")
    let lines = (0..<2_000).map { n in
      #"{"id":"e\#(n)","type":"OrderPlaced","key":"o-\#(n)","data":{"total":\#(n),"words":"\#(words)"}}"#
    }
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/orders.jsonl")
    try project.runOnce()
    return project
  }

  /// Every file below a folder with its bytes; sockets and the memory that SQLite shares have none.
  private func files(_ folder: String) throws -> [String: Data] {
    var found: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder) {
      let path = folder + "/" + name
      let type = try FileManager.default.attributesOfItem(atPath: path)[.type] as? FileAttributeType
      let isShared = name.hasSuffix("-shm")
      found[name] =
        type == .typeRegular && !isShared ? try Data(contentsOf: URL(fileURLWithPath: path)) : Data()
    }
    return found
  }

  /// Runs the statements, each by a process of its own that reads it from stdin, in an empty folder.
  /// - Returns: what went wrong, by statement.
  private func attack(_ project: TestProject, _ statements: [HostileStatement]) throws -> [String] {
    let empty = try TestProject()
    let before = try files(empty.path)
    var wrong: [String] = []
    for statement in statements {
      let process = try WatchedProcess(
        ["query", project.path, "-", "--timeout", "\(Self.timeout)", "-o", "csv"],
        input: statement.sql, folder: empty.path)
      let outcome = try process.finish(within: 30)
      var faults: [String] = []
      if outcome.seconds > Self.timeout + Self.slack { faults.append("took \(outcome.seconds) s") }
      if outcome.peakBytes > Self.memoryMax { faults.append("held \(outcome.peakBytes >> 20) MB") }
      switch (statement.outcome, outcome.status) {
      case (.harmless, 0), (_, 2): break
      case (_, let status): faults.append("ended with \(status)")
      }
      if outcome.status == 2, !outcome.errors.contains("error[") { faults.append("told nothing") }
      if statement.outcome == .refused, outcome.seconds > Self.slack { faults.append("was not refused") }
      if !faults.isEmpty {
        wrong.append("\(statement): \(faults.joined(separator: ", ")): \(outcome.errors.prefix(300))")
      }
    }
    if try files(empty.path) != before { wrong.append("a file was left: \(try files(empty.path).keys)") }
    return wrong
  }

  @Test func `the list is long, and each statement is in it once`() {
    #expect(HostileStatement.all.count >= 150)
    #expect(Set(HostileStatement.all.map(\.sql)).count == HostileStatement.all.count)
  }

  @Test func `alone: each is refused or ended by its deadline, leaves no file, changes no read model`() throws
  {
    let project = try shop()
    let asked = "select count(*), sum(total) from orders, (select count(*) from sys.events)"
    _ = try project.query(asked)
    let before = try files(project.path + "/data/readmodels")
    let names = Set(try files(project.path).keys)
    let wrong = try attack(project, HostileStatement.all)
    #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
    #expect(try files(project.path + "/data/readmodels") == before)
    #expect(Set(try files(project.path).keys).subtracting(names).isEmpty)
    #expect(try project.query(asked) == [[JSONCell("2000"), JSONCell("1999000")]])
  }

  @Test(arguments: [
    "select x, randomblob(1000000) b from c order by b", "select count(distinct randomblob(1000000)) from c",
    "select group_concat(z, '') over (order by x) from (select x, hex(randomblob(1000000)) z from c)",
  ])
  func `what takes too much memory is told so, long before its time is over`(sql: String) throws {
    let project = try shop()
    let bomb = "with recursive c(x) as (select 1 union all select x + 1 from c) " + sql
    let outcome = try WatchedProcess(
      ["query", project.path, "-", "--timeout", "60"], input: bomb, folder: project.path
    ).finish(within: 50)
    #expect(outcome.status == 2 && outcome.errors.contains("takes at most 512 MB"), "\(outcome)")
    #expect(outcome.peakBytes > 300 << 20 && outcome.peakBytes < Self.memoryMax, "\(outcome)")
  }

  @Test func `beside a run: the same, and the run goes on within its memory`() throws {
    let project = try shop()
    let run = try LiveRun(["run", project.path])
    try LiveRun.wait("the socket") {
      FileManager.default.fileExists(atPath: project.path + "/.moontide/socket")
    }
    let asked = "select count(*), sum(total) from orders, (select count(*) from sys.events)"
    _ = try project.query(asked)
    let before = try files(project.path + "/data/readmodels")
    let names = Set(try files(project.path).keys)
    // The engine is the same: a third of those that take time, unless all are asked for.
    let isWhole = ProcessInfo.processInfo.environment["MOONTIDE_HOSTILE"] == "all"
    let ended = HostileStatement.all.filter { $0.outcome == .ended }
    let some = ended.enumerated().filter { $0.offset % 3 == 0 }.map(\.element)
    let wrong = try attack(project, isWhole ? HostileStatement.all : some)
    #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
    #expect(try files(project.path + "/data/readmodels") == before)
    #expect(Set(try files(project.path).keys).subtracting(names).isEmpty)
    #expect(try project.query(asked) == [[JSONCell("2000"), JSONCell("1999000")]])
    let peak = try WatchedProcess.peakBytes(of: run.process.processIdentifier)
    #expect(peak < Self.memoryMax, "\(peak >> 20) MB")
    #expect(run.interrupt() == 0)
  }
}

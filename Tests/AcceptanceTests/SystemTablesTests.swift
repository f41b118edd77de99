import Foundation
import Testing

/// `sys.*` through the binary.
@Suite struct SystemTablesTests {
  private func lines(_ range: Range<Int>) -> String {
    range.map { n in
      #"{"id":"e\#(n)","type":"\#(n % 5 == 0 ? "Rare" : "Often")","key":"k\#(n % 7)","data":{"n":\#(n)}}"#
    }
    .joined(separator: "\n") + "\n"
  }

  private func counts(_ project: TestProject) throws -> [String] {
    try project.query("select type, count(*) from sys.events group by type").map {
      $0.map { "\($0)" }.joined(separator: " ")
    }
  }

  @Test(arguments: [
    "events", "handlers", "dead_letters", "sagas", "timers", "effects", "checkpoints", "commands",
  ])
  func `every table that help names can be asked, also of an empty project`(table: String) throws {
    let project = try TestProject()
    #expect(try project.query("select count(*) from sys.\(table)").count == 1)
    let rows = try Binary.succeed(["query", project.path, "select * from sys.\(table) limit 1", "-o", "csv"])
    #expect(rows.contains(","), "\(rows)")
  }

  @Test func `counts by type follow the log, with the outline that was kept, a damaged one and none`() throws
  {
    let project = try TestProject()
    try project.write(lines(0..<1_000), to: "events/a.jsonl")
    try project.runOnce()
    #expect(try counts(project) == ["Often 800", "Rare 200"])
    let outline = project.path + "/.moontide/as-of/outline"
    // A question about the past writes the outline down.
    _ = try project.query("select count(*) from sys.events", ["--as-known", "#900"])
    #expect(FileManager.default.fileExists(atPath: outline))
    try project.write(lines(1_000..<1_500), to: "events/b.jsonl")
    try project.runOnce()
    #expect(try counts(project) == ["Often 1200", "Rare 300"])
    try Data("no outline".utf8).write(to: URL(fileURLWithPath: outline))
    #expect(try counts(project) == ["Often 1200", "Rare 300"])
    try FileManager.default.removeItem(atPath: project.path + "/.moontide")
    #expect(try counts(project) == ["Often 1200", "Rare 300"])
    let found = try project.query("select position, type from sys.events where id = 'e1234'")
    #expect(found.map { $0.map { "\($0)" } } == [["1234", "Often"]])
  }

  @Test func `beside a run what was appended is counted and found at once`() throws {
    let project = try TestProject()
    try project.write(lines(0..<100), to: "events/a.jsonl")
    try project.runOnce()
    let run = try LiveRun(["run", project.path])
    try LiveRun.wait("the socket") {
      FileManager.default.fileExists(atPath: project.path + "/.moontide/socket")
    }
    #expect(try counts(project) == ["Often 80", "Rare 20"])
    for n in 0..<5 {
      try Binary.succeed([
        "-C", project.path, "append", "Late", "-d", #"{"n":\#(n)}"#, "--key", "late-\(n)",
      ])
      #expect(try counts(project).first == "Late \(n + 1)")
      #expect(try project.query("select key from sys.events where key = 'late-\(n)'").count == 1)
      #expect(try project.query("select max(position) from sys.events") == [[JSONCell("\(100 + n)")]])
    }
    #expect(run.interrupt() == 0)
  }
}

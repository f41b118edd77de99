import Foundation
import Testing

/// Files that somebody swapped, changed or broke; a backup and its way back; a project of an older version.
@Suite(.serialized) struct DamageTests {
  private func project() throws -> TestProject {
    let project = try ShortageTests.project(events: 300)
    try project.runOnce()
    return project
  }

  private func file(_ project: TestProject, _ name: String) -> URL {
    project.folder.appending(path: "data/\(name)")
  }

  private func sql(_ database: URL, _ statement: String) throws {
    let process = try Process.run(
      URL(fileURLWithPath: "/usr/bin/env"), arguments: ["sqlite3", database.path, statement])
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw Fault("sqlite3 cannot run \(statement)") }
  }

  @Test func `a value that was changed behind our back is named by verify and told by doctor`() throws {
    let project = try project()
    #expect(try Binary.run(["projection", "verify", project.path, "things"]).status == 0)
    try sql(file(project, "readmodels/things.sqlite"), "update things set n = 99 where id = 'k7'")
    try sql(file(project, "readmodels/things.sqlite"), "delete from things where id = 'k8'")
    let verify = try Binary.run(["projection", "verify", project.path, "things", "--json"])
    #expect(verify.status == 1)
    let rows = try #require(
      JSONSerialization.jsonObject(with: Data(verify.output.utf8)) as? [[String: Any]], "\(verify.output)")
    #expect(rows.count == 2)
    let changed = try #require(rows.first { $0["column"] as? String == "n" }, "\(rows)")
    #expect(changed["key"] as? String == "'k7'" && changed["read_model"] as? String == "99")
    #expect(rows.contains { $0["key"] as? String == "'k8'" && $0["read_model"] is NSNull })
    let doctor = try Binary.run(["doctor", project.path])
    #expect(doctor.status == 1)
    #expect(doctor.output.contains("the rows of things are not those that were written"), "\(doctor.output)")
  }

  @Test(arguments: ["", "pragma journal_mode=wal; create table t(x); drop table t;"])
  func `a store whose maker was killed before its first commit is as good as none`(begun: String) throws {
    let calm = try project()
    let project = try ShortageTests.project(events: 300)
    for folder in ["handlers", "readmodels"] {
      let names = try FileManager.default.contentsOfDirectory(atPath: file(calm, folder).path)
        .filter { $0.hasSuffix(".sqlite") }
      #expect(!names.isEmpty, "\(folder)")
      try FileManager.default.createDirectory(at: file(project, folder), withIntermediateDirectories: true)
      for name in names {
        try Data().write(to: file(project, "\(folder)/\(name)"))
        try sql(file(project, "\(folder)/\(name)"), begun)
      }
    }
    #expect(try Binary.run(["doctor", project.path]).status == 0)
    try project.runOnce()
    #expect(try ShortageTests.rows(project) == ShortageTests.rows(calm))
  }

  @Test func `a store whose maker was killed in the middle of its first commit is as good as none`() throws {
    let calm = try project()
    let project = try ShortageTests.project(events: 300)
    for folder in ["handlers", "readmodels"] {
      let names = try FileManager.default.contentsOfDirectory(atPath: file(calm, folder).path)
        .filter { $0.hasSuffix(".sqlite") }
      #expect(!names.isEmpty, "\(folder)")
      try FileManager.default.createDirectory(at: file(project, folder), withIntermediateDirectories: true)
      for name in names { try leaveHalfMade(file(project, "\(folder)/\(name)").path) }
    }
    #expect(try Binary.run(["doctor", project.path]).status == 0)
    try project.runOnce()
    #expect(try ShortageTests.rows(project) == ShortageTests.rows(calm))
  }

  /// A database in the middle of a transaction that has reached the file, with the journal that undoes it.
  private func leaveHalfMade(_ path: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sqlite3", path + ".making"]
    let input = Pipe()
    process.standardInput = input
    try process.run()
    let script = """
      pragma cache_size=1;
      begin immediate;
      create table t(x);
      with recursive c(i) as (select 1 union all select i + 1 from c where i < 50)
        insert into t select randomblob(3000) from c;
      .shell cp '\(path).making' '\(path)' && cp '\(path).making-journal' '\(path)-journal'
      rollback;

      """
    try input.fileHandleForWriting.write(contentsOf: Data(script.utf8))
    try input.fileHandleForWriting.close()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    try FileManager.default.removeItem(atPath: path + ".making")
    let journal = try FileManager.default.attributesOfItem(atPath: path + "-journal")[.size] as? Int ?? 0
    #expect(journal > 0)
  }

  @Test func `a read model that is broken, swapped or of another log is folded anew, and said so`() throws {
    let project = try project()
    let before = try ShortageTests.rows(project)
    let things = file(project, "readmodels/things.sqlite")
    let other = try self.project()
    let damages: [(String, () throws -> Void)] = [
      ("damaged", { try Data(repeating: 7, count: 9_000).write(to: things) }),
      (
        "projection echoes",
        {
          try FileManager.default.removeItem(at: things)
          try FileManager.default.copyItem(at: self.file(project, "readmodels/echoes.sqlite"), to: things)
        }
      ),
      (
        "another log",
        {
          try FileManager.default.removeItem(at: things)
          try FileManager.default.copyItem(at: self.file(other, "readmodels/things.sqlite"), to: things)
        }
      ),
      (
        "damaged",
        {
          // A page in the middle, which is only met when it is read.
          var bytes = try Data(contentsOf: things)
          let middle = bytes.count / 2 / 4_096 * 4_096
          bytes.replaceSubrange(middle..<middle + 4_096, with: Data(repeating: 0xa5, count: 4_096))
          try bytes.write(to: things)
          try project.write(
            #"{"id":"more","type":"Thing","key":"k1","data":{}}"# + "\n",
            to: "events/more-\(bytes.count).jsonl")
          let lines = (0..<400).map { #"{"id":"m\#($0)","type":"Thing","key":"k\#($0)","data":{}}"# + "\n" }
          try project.write(lines.joined(), to: "events/more.jsonl")
        }
      ),
    ]
    for (reason, damage) in damages {
      for ending in ["-wal", "-shm"] {
        let beside = URL(fileURLWithPath: things.path + ending)
        if FileManager.default.fileExists(atPath: beside.path) {
          try FileManager.default.removeItem(at: beside)
        }
      }
      try damage()
      let run = try Binary.run(["run", project.path, "--once"])
      #expect(run.status == 0, "\(reason): \(run.errors)")
      #expect(
        run.errors.contains("cannot be used: ") && run.errors.contains(reason), "\(reason): \(run.errors)")
      let verify = try Binary.run(["projection", "verify", project.path, "things"])
      #expect(verify.status == 0, "\(reason): \(verify.output)")
    }
    #expect(try ShortageTests.rows(project) != before, "the last one brought new events")
  }

  @Test func `a consumer's file that is swapped or of another log is refused with what to do`() throws {
    let project = try project()
    let echo = file(project, "handlers/echo.sqlite")
    let own = try Data(contentsOf: echo)
    let other = try self.project()
    try FileManager.default.removeItem(at: echo)
    try FileManager.default.copyItem(at: file(other, "handlers/echo.sqlite"), to: echo)
    let foreign = try Binary.run(["run", project.path, "--once"])
    #expect(foreign.status == 2)
    #expect(foreign.errors.contains("E0402") && foreign.errors.contains("another log"), "\(foreign.errors)")
    try Data(repeating: 7, count: 9_000).write(to: echo)
    let broken = try Binary.run(["run", project.path, "--once"])
    #expect(broken.status == 2)
    #expect(broken.errors.contains("E0401"), "\(broken.errors)")
    #expect(try Binary.run(["doctor", project.path]).status == 1)
    try own.write(to: echo)
    try project.runOnce()
    #expect(try Binary.run(["doctor", project.path, "--full"]).status == 0)
  }

  @Test func `a backup beside a run comes back as a project that goes on, and a broken one is refused`()
    throws
  {
    let project = try self.project()
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    let lines = (0..<200).map { #"{"id":"late\#($0)","type":"Thing","key":"k\#($0)","data":{}}"# + "\n" }
    try project.write(lines.joined(), to: "events/late.jsonl")
    let tar = project.folder.appending(path: "backup.tar")
    try Binary.succeed(["backup", project.path, tar.path])
    #expect(try Binary.run(["backup", project.path, tar.path]).status == 2, "nothing is overwritten")
    try ShortageTests.waitUntilDone(project, events: 500)
    #expect(run.interrupt() == 0)

    let copy = try TestProject()
    try copy.write(ShortageTests.handlers, to: "handlers/things.lua")
    try Binary.succeed(["restore", tar.path, copy.path])
    #expect(try Binary.run(["restore", tar.path, copy.path]).status == 2, "nothing is overwritten")
    for name in ["things", "late"] {
      try FileManager.default.copyItem(
        at: project.folder.appending(path: "events/\(name).jsonl"),
        to: copy.folder.appending(path: "events/\(name).jsonl"))
    }
    try copy.runOnce()
    #expect(try ShortageTests.rows(copy) == ShortageTests.rows(project))
    #expect(try Binary.run(["doctor", copy.path, "--full"]).status == 0)

    var bytes = try Data(contentsOf: tar)
    for at in [bytes.count / 3, bytes.count * 3 / 4] {
      bytes[at] ^= 0x10
      let broken = project.folder.appending(path: "broken.tar")
      try bytes.write(to: broken)
      let target = project.folder.appending(path: "restored-\(at)")
      #expect(try Binary.run(["restore", broken.path, target.path]).status == 2, "flipped at \(at)")
      #expect(!FileManager.default.fileExists(atPath: target.appending(path: "data").path))
      bytes[at] ^= 0x10
    }
    try bytes[..<(bytes.count / 2)].write(to: project.folder.appending(path: "half.tar"))
    let half = try Binary.run([
      "restore", project.folder.appending(path: "half.tar").path, project.folder.appending(path: "half").path,
    ])
    #expect(half.status == 2 && half.errors.contains("in the middle of"), "\(half.errors)")
  }

  @Test func `what a run writes for collectors is whole, and names handlers and never ids`() throws {
    let project = try ShortageTests.project(events: 300)
    let metrics = project.folder.appending(path: "metrics.prom")
    try project.runOnce(["--metrics-file", metrics.path])
    let text = try String(contentsOf: metrics, encoding: .utf8)
    for line in [
      "moontide_ingest_events_total 300", #"moontide_ingest_quarantined_total{reason="bad_line"} 1"#,
      #"moontide_handler_events_applied_total{handler="things",kind="projection"} 600"#,
      #"moontide_handler_events_emitted_total{handler="echo",kind="consumer"} 300"#,
      #"moontide_handler_lag_records{handler="echo",kind="consumer"} 0"#, "moontide_log_records_total 601",
    ] {
      #expect(text.split(separator: "\n").contains(Substring(line)), "\(line) in\n\(text)")
    }
    let line = /[a-z0-9_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+/
    for one in text.split(separator: "\n") where !one.hasPrefix("#") {
      #expect(one.wholeMatch(of: line) != nil, "\(one)")
      #expect(!one.contains("e-1") && !one.contains("k1"), "\(one)")
    }
    #expect(!FileManager.default.fileExists(atPath: metrics.path + ".new"))
  }

  /// `Projects/old` was left by version 0.1.0 as it was before files said to which log they belong; see
  /// `Projects/make-old`.
  @Test func `a project of an older version opens, is proven, and goes on`() throws {
    let project = try TestProject()
    let old = TestProject.projects.appending(path: "old")
    for name in ["data", "handlers", "events"] {
      let target = project.folder.appending(path: name)
      if FileManager.default.fileExists(atPath: target.path) {
        try FileManager.default.removeItem(at: target)
      }
      try FileManager.default.copyItem(at: old.appending(path: name), to: target)
    }
    #expect(try Binary.run(["doctor", project.path, "--full"]).status == 0)
    let before = try ShortageTests.rows(project)
    try project.runOnce()
    #expect(try ShortageTests.rows(project) == before, "a copied file is a new one: its lines are repeats")
    try project.write(#"{"id":"new","type":"Thing","key":"k0","data":{}}"# + "\n", to: "events/new.jsonl")
    try project.runOnce()
    #expect(try project.query("select n from things where id = 'k0'")[0][0].description == "6")
    let doctor = try Binary.run(["doctor", project.path, "--full"])
    #expect(doctor.status == 0, "\(doctor.output)")
  }
}

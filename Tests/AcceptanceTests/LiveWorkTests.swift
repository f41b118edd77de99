import Foundation
import SmallServer
import Testing

/// What is asked of a run while it goes on: retries of what a projection failed on, read models that are made
/// anew or put back, a backup beside all of that, and edits beside an effect that takes its time.
@Suite(.serialized) struct LiveWorkTests {
  private static func projection(_ version: Int, failing: Bool = false) -> String {
    """
    projection "p" {
      schema = [[
        create table t(i integer primary key, v integer not null);
        create table total(k text primary key, n integer not null) without rowid;
      ]],
      on = { A = function(event, db)
        \(failing ? "if event.data.i % 10 == 3 then error(\"no\") end" : "")
        db.t:put { i = event.data.i, v = \(version) }
        db.total:add("all", { n = 1 })
      end } }
    """
  }

  private func place(_ range: Range<Int>, in project: TestProject) throws {
    let lines = range.map { #"{"id":"e-\#($0)","type":"A","key":"k\#($0 % 7)","data":{"i":\#($0)}}"# + "\n" }
    try project.write(lines.joined(), to: "events/\(range.lowerBound).jsonl")
  }

  private func rows(_ project: TestProject, _ sql: String) throws -> [String] {
    try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
  }

  @Test func `dead retry has a running read model folded anew at once, and says what became of it`() throws {
    let project = try TestProject()
    try project.write(Self.projection(1, failing: true), to: "handlers/p.lua")
    try place(0..<30, in: project)
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    #expect(
      try rows(
        project, "select count(*) from sys.dead_letters letters join sys.reloads on script = reloads.version")
        == ["3"])
    // Of the same script they fail again.
    let again = try Binary.run(["dead", "retry", "p", "-C", project.path, "-o", "csv"])
    #expect(again.status == 1 && again.output.contains("d-3,p,dead,"), "\(again)")
    // One of them is corrected, one left out.
    let edited = try Binary.run(
      ["dead", "edit", "d-3", "-d", #"{"i":1000}"#, "-C", project.path, "-o", "csv"])
    #expect(edited.status == 0 && edited.output.contains("d-3,p,applied,"), "\(edited)")
    let skipped = try Binary.run(
      ["dead", "skip", "d-13", "--reason", "a test", "-C", project.path, "-o", "csv"])
    #expect(skipped.status == 0 && skipped.output.contains("d-13,p,skipped,"), "\(skipped)")
    #expect(try rows(project, "select id from sys.dead_letters") == ["d-23"])
    #expect(try rows(project, "select count(*), max(i), (select n from total) from t") == ["28|1000|28"])
    #expect(try rows(project, "select state from sys.handlers where name = 'p'")[0].hasPrefix("degraded"))
    #expect(try !run.errors().contains("was not rebuilt"), "\(run.told)")
    #expect(run.interrupt() == 0, "\(run.told)")
    let proof = try Binary.run(["projection", "verify", project.path, "p"])
    #expect(proof.status == 0, "\(proof)")
  }

  @Test func `dead retry after a rollback follows the version that serves`() throws {
    let project = try TestProject()
    try project.write(Self.projection(1, failing: true), to: "handlers/p.lua")
    try place(0..<10, in: project)
    try project.runOnce()
    try project.write(Self.projection(2), to: "handlers/p.lua")
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    try LiveRun.wait("version 2") { try rows(project, "select distinct v from t") == ["2"] }
    try Binary.succeed(["projection", "rollback", project.path, "p", "-q"])
    #expect(try rows(project, "select distinct v from t") == ["1"])
    let edited = try Binary.run(
      ["dead", "edit", "d-3", "-d", #"{"i":1000}"#, "-C", project.path, "-o", "csv"])
    #expect(edited.status == 0 && edited.output.contains("d-3,p,applied,"), "\(edited)")
    #expect(try rows(project, "select distinct v from t") == ["1"])
    #expect(try rows(project, "select count(*), max(i) from t") == ["10|1000"])
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `sys_reloads has rebuilds and rollbacks that were asked for, beside takeovers`() throws {
    let project = try TestProject()
    try project.write(Self.projection(1), to: "handlers/p.lua")
    try place(0..<10, in: project)
    try project.runOnce()
    #expect(try rows(project, "select change, handler, position from sys.reloads") == ["added|p|"])
    try Binary.succeed(["projection", "rebuild", project.path, "p", "-q"])
    let run = try LiveRun(["run", project.path, "--watch"])
    try run.waitForError("caught up")
    try project.write(Self.projection(2), to: "handlers/p.lua")
    try LiveRun.wait("version 2") { try rows(project, "select distinct v from t") == ["2"] }
    try Binary.succeed(["projection", "rollback", project.path, "p", "-q"])
    try Binary.succeed(["projection", "rebuild", project.path, "p", "-q"])
    #expect(run.interrupt() == 0, "\(run.told)")
    let found = try rows(project, "select change, handler, kind, previous, version from sys.reloads")
    let versions = found.compactMap { $0.split(separator: "|").last }
    guard versions.count == 5 else { throw Fault("\(found)") }
    let (one, two) = (versions[0], versions[2])
    #expect(one != two)
    #expect(
      found == [
        "added|p|projection||\(one)", "rebuild|p|projection|\(one)|\(one)",
        "changed|p|projection|\(one)|\(two)", "rollback|p|projection|\(two)|\(one)",
        "rebuild|p|projection|\(one)|\(two)",
      ], "\(found)")
    #expect(try rows(project, "select count(*) from sys.reloads where recorded is null") == ["0"])
  }

  @Test func `a backup beside rebuilds and swaps has whole read models, kept scripts and put away files`()
    throws
  {
    let project = try TestProject()
    try project.write(Self.projection(1), to: "handlers/p.lua")
    let consumer = """
      consumer "notes" { from = "start", on = { A = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "Noted", topic = "notes", data = { n = ctx.state.n } }
      end } }
      """
    try project.write(consumer, to: "handlers/notes.lua")
    try place(0..<1_000, in: project)
    try project.runOnce()
    // Nothing has taken the place of the first scripts: they lie beside the log.
    let first = project.folder.appending(path: "first.tar").path
    try Binary.succeed(["backup", project.path, first])
    let fresh = try TestProject()
    try Binary.succeed(["restore", first, fresh.path])
    #expect(try Binary.succeed(["handlers", "show", "p", "-C", fresh.path]).contains("v = 1"))
    #expect(
      try rows(fresh, "select change, handler from sys.reloads order by 2") == ["added|notes", "added|p"])

    let run = try LiveRun(["run", project.path, "--watch"])
    try run.waitForError("caught up")
    try FileManager.default.removeItem(at: project.folder.appending(path: "handlers/notes.lua"))
    try run.waitForError("consumer notes has ended")
    for round in 0..<3 {
      try project.write(Self.projection(round + 2), to: "handlers/p.lua")
      let number = 10_000 + round * 100
      try place(number..<number + 100, in: project)
      if round % 2 == 1 { _ = try Binary.run(["projection", "rebuild", project.path, "p", "-q"]) }
      let tar = project.folder.appending(path: "\(round).tar").path
      try Binary.succeed(["backup", project.path, tar])
      let copy = try TestProject()
      try Binary.succeed(["restore", tar, copy.path])
      let data = copy.folder.appending(path: "data").path
      let names = try FileManager.default.subpathsOfDirectory(atPath: data)
      let stores = names.filter { $0.hasPrefix("readmodels/") || $0.hasPrefix("handlers/") }
      #expect(stores == ["readmodels/p.sqlite"], "\(stores)")
      #expect(names.count { $0.hasPrefix("archive/notes-") && $0.hasSuffix(".sqlite") } == 1, "\(names)")
      let path = copy.folder.appending(path: "data/readmodels/p.sqlite").path
      let mixed = try Sqlite.run(
        path, "select count(distinct v), count(*) = (select n from total) from t;")
      #expect(mixed == "1|1\n", "\(mixed)")
      // It goes on, the consumer too once its script is there.
      try copy.write(Self.projection(round + 2), to: "handlers/p.lua")
      try copy.write(consumer, to: "handlers/notes.lua")
      for (from, count) in [(0, 1_000)] + (0...round).map({ (10_000 + $0 * 100, 100) }) {
        try place(from..<from + count, in: copy)
      }
      try copy.runOnce()
      let total = 1_000 + (round + 1) * 100
      #expect(
        try rows(copy, "select count(*), min(v), max(v), (select n from total) from t")
          == ["\(total)|\(round + 2)|\(round + 2)|\(total)"])
      #expect(
        try rows(copy, "select count(*) from sys.events where topic = 'notes'") == ["\(total)"], "\(round)")
      #expect(try Binary.run(["projection", "verify", copy.path, "p"]).status == 0)
    }
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `an effect that takes its time holds up no edit, and is performed once`() throws {
    let answer = DispatchSemaphore(value: 0)
    let server = try SmallServer { _, _ in
      answer.wait()
      return SmallServer.Answer(200)
    }
    defer { answer.signal() }
    func mails(_ version: Int) -> String {
      """
      consumer "mails" { from = "start",
        on = { A = function(event, ctx)
          ctx.effect("http", { url = ctx.env.EFFECT_URL .. "/" .. event.key, timeout = "20s" })
        end },
        on_result = function(result, ctx)
          ctx.emit { type = "Mailed", topic = "mailed", data = { v = \(version), ok = result.data.ok } }
        end }
      """
    }
    let project = try TestProject()
    try project.write("return { env = { \"EFFECT_URL\" } }", to: "moontide.lua")
    try project.write(mails(1), to: "handlers/mails.lua")
    try project.write(Self.projection(1), to: "handlers/p.lua")
    try place(0..<1, in: project)
    let run = try LiveRun(["run", project.path, "--watch"], limits: "export EFFECT_URL=\(server.url)")
    try LiveRun.wait("the effect on its way") { server.requests.count == 1 }
    for version in 2...4 {
      try project.write(mails(version), to: "handlers/mails.lua")
      try LiveRun.wait("takeover \(version)") {
        try rows(project, "select count(*) from sys.reloads where change = 'changed' and handler = 'mails'")
          == ["\(version - 1)"]
      }
    }
    try project.write(Self.projection(2), to: "handlers/p.lua")
    try LiveRun.wait("the new read model") { try rows(project, "select distinct v from t") == ["2"] }
    try LiveRun.wait("the effect in the hands of the last version") {
      try rows(project, "select state from sys.effects") == ["in flight"]
    }
    #expect(try rows(project, "select count(*) from sys.events where topic = 'mailed'") == ["0"])
    answer.signal()
    try LiveRun.wait("the result") {
      try rows(
        project,
        "select json_extract(data, '$.v'), json_extract(data, '$.ok') from sys.events where topic = 'mailed'")
        == ["4|1"]
    }
    #expect(server.requests.count == 1, "\(server.requests.count) requests")
    #expect(try rows(project, "select state, attempts from sys.effects") == ["done|1"])
    #expect(run.interrupt() == 0, "\(run.told)")
  }
}

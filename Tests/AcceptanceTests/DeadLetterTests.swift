import Foundation
import Testing

/// Dead letters as a person deals with them, with the binary as it is built.
@Suite(.serialized) struct DeadLetterTests {
  private static func handlers(mended: Bool) -> String {
    """
    consumer "c" { from = "start", retry = { attempts = 2, backoff = "1ms" }, on = { A = function(event, ctx)
      \(mended ? "" : "if event.data.bad then error(\"no\") end")
      ctx.state.n = (ctx.state.n or 0) + 1
      ctx.emit { type = "B", topic = "out", data = { i = event.data.i, n = ctx.state.n } }
    end } }
    projection "p" {
      schema = "create table t(k text primary key, n integer not null)",
      on = { A = function(event, db)
        \(mended ? "" : "if event.data.bad then error(\"no\") end")
        db.t:add(event.key, { n = event.data.i })
      end },
    }
    """
  }

  /// Events of the keys `hot`, with one bad among ten, and `k0` to `k19`, with one bad each among three.
  private static let events = {
    var lines = ""
    for index in 0..<70 {
      let isHot = index < 10
      let key = isHot ? "hot" : "k\(index % 20)"
      let isBad = index == 3 || (30..<50).contains(index)
      let more = isBad ? #","bad":1"# : ""
      lines += #"{"id":"a-\#(index)","type":"A","key":"\#(key)","data":{"i":\#(index)\#(more)}}"# + "\n"
    }
    return lines
  }()

  private func project(mended: Bool = false, lines: String = "") throws -> TestProject {
    let project = try TestProject()
    try project.write(Self.handlers(mended: mended), to: "handlers/a.lua")
    try project.write(Self.events + lines, to: "events/a.jsonl")
    return project
  }

  /// Per key in order, what the consumer emitted; and the rows of the projection.
  private func outputs(_ project: TestProject) throws -> [[JSONCell]] {
    try project.query("select key, data from sys.events where topic = 'out' order by key, position")
      + project.query("select k, n from t order by k")
  }

  private func rows(_ arguments: [String], status: Int32) throws -> [[String: String]] {
    let outcome = try Binary.run(arguments + ["--json"])
    #expect(outcome.status == status, "\(arguments): \(outcome.errors)")
    let json = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
    return try #require(json as? [[String: Any]]).map { $0.mapValues { "\($0)" } }
  }

  @Test func `after mending and a retry everything is as if nothing had failed`() throws {
    let undisturbed = try project(mended: true)
    try undisturbed.runOnce()
    let wanted = try outputs(undisturbed)
    #expect(wanted.count == 91)

    let project = try project()
    try project.runOnce()
    let groups = try rows(["dead", "ls", project.path], status: 0)
    #expect(groups.map { $0["handler"] } == ["c", "p"])
    #expect(groups.map { $0["events"] } == ["21", "21"] && groups.map { $0["keys"] } == ["21", "21"])
    #expect(groups.first?["held"] == "26")
    #expect(try Binary.run(["dead", "ls", project.path, "--max", "41"]).status == 1)
    #expect(try Binary.run(["dead", "ls", project.path, "--max", "42"]).status == 0)

    try project.write(Self.handlers(mended: true), to: "handlers/a.lua")
    let offer = try Binary.run(["dead", "ls", project.path]).errors
    #expect(
      offer.contains("consumer c was edited since 21 of these failed: moontide dead retry c"), "\(offer)")
    #expect(offer.contains("projection p was edited since 21 of these failed"), "\(offer)")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.errors.contains("note[E0621]: consumer c was edited since 21 events of it became dead"))
    #expect(try outputs(project) != wanted, "nobody retries a consumer by himself")
    let retried = try rows(["dead", "retry", project.path, groups[0]["fault"] ?? ""], status: 0)
    #expect(retried.count == 21 && retried.allSatisfy { $0["result"] == "applied" }, "\(retried)")
    #expect(try outputs(project) == wanted)
    #expect(try rows(["dead", "ls", project.path], status: 0) == [])
    #expect(try Binary.run(["doctor", project.path]).status == 0)
  }

  @Test func `a retry beside a run is done by the run, in order, arrivals last`() throws {
    let project = try project()
    try project.runOnce()
    try project.write(Self.handlers(mended: true), to: "handlers/a.lua")
    let process = try Binary.start(["run", project.path, "-q"])
    defer { process.terminate() }
    let socket = project.folder.appending(path: ".moontide/socket").path
    while process.isRunning, !FileManager.default.fileExists(atPath: socket) { usleep(10_000) }
    try Binary.succeed(
      ["append", "A", "-d", #"{"i":1000}"#, "--key", "hot", "--id", "late", "-C", project.path])
    let retried = try rows(["dead", "retry", project.path, "c"], status: 0)
    #expect(retried.count == 21 && retried.allSatisfy { $0["result"] == "applied" }, "\(retried)")
    process.interrupt()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    try project.runOnce()
    let hot = try project.query(
      "select data ->> 'i' from sys.events where topic = 'out' and key = 'hot' order by position")
    #expect(hot.map { $0[0].description } == (0..<10).map(String.init) + ["1000"])
  }

  @Test func `a retry that is killed goes on where it was, and nothing comes twice`() throws {
    let undisturbed = try project(mended: true)
    try undisturbed.runOnce()
    let wanted = try outputs(undisturbed)
    let seed = UInt32.random(in: 0..<1_000_000)
    print("killed retries: seed \(seed)")
    var random = seed
    for round in 0..<5 {
      let project = try project()
      try project.runOnce()
      try project.write(Self.handlers(mended: true), to: "handlers/a.lua")
      let process = try Binary.start(["dead", "retry", project.path, "c"])
      random = random &* 1_664_525 &+ 1_013_904_223
      usleep(5_000 + (random >> 8) % 120_000)
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      try project.runOnce()
      // It may have been killed before it decided anything.
      if try project.query("select count(*) from sys.dead_letters") != [[JSONCell("0")]] {
        try Binary.succeed(["dead", "retry", project.path, "c"])
      }
      #expect(try outputs(project) == wanted, "round \(round), seed \(seed)")
    }
  }

  @Test func `corrections and skips hold for the live run, a rebuild and a lost file alike`() throws {
    let project = try project()
    try project.runOnce()
    let refused = try Binary.run(["dead", "edit", project.path, "d-3", "-d", "[1]"])
    #expect(refused.status == 65, "\(refused.errors)")
    #expect(try Binary.run(["dead", "edit", project.path, "c", "-d", "{}"]).status == 2)
    #expect(try Binary.run(["dead", "skip", project.path, "c"]).status == 64, "a skip says why")
    #expect(try Binary.run(["dead", "retry", project.path, "d-4", "-q"]).status == 2)
    let edited = try rows(
      ["dead", "edit", project.path, "d-3", "-d", "{\"i\":\n 500}", "--reason", "a slip"], status: 0)
    #expect(edited.map { $0["result"] } == ["applied", "applied"], "\(edited)")
    let skipped = try rows(["dead", "skip", project.path, "--all", "--reason", "tests"], status: 0)
    #expect(skipped.count == 40 && skipped.allSatisfy { $0["result"] == "skipped" }, "\(skipped)")
    #expect(try project.query("select n from t where k = 'hot'") == [[JSONCell("\(45 - 3 + 500)")]])
    #expect(
      try project.query("select data ->> 'i' from sys.events where id = 'a-3'") == [[JSONCell("3")]],
      "the log keeps the original")
    let dump = try project.dump("p")
    let emitted = try outputs(project)
    let ledger = try project.query("select applied, held, dead from sys.handlers order by name")
    #expect(
      ledger == [
        [JSONCell("50"), JSONCell("0"), JSONCell("0")], [JSONCell("50"), JSONCell("0"), JSONCell("0")],
      ])
    for lost in ["data/readmodels/p.sqlite", "data/handlers/c.sqlite"] {
      try FileManager.default.removeItem(at: project.folder.appending(path: lost))
    }
    try project.runOnce()
    #expect(try project.dump("p") == dump)
    #expect(try outputs(project) == emitted)
    #expect(try project.query("select applied, held, dead from sys.handlers order by name") == ledger)
    #expect(try Binary.run(["doctor", project.path]).status == 0)
  }

  @Test func `a rehearsal says what would be applied and which rows would change, and changes nothing`()
    throws
  {
    let project = try project(lines: "rubbish\n")
    try project.runOnce()
    let files = ["data/readmodels/p.sqlite", "data/handlers/c.sqlite"].map {
      project.folder.appending(path: $0).path
    }
    let before = try files.map { try Sqlite.dump($0) }
    let end = try project.query("select count(*) from sys.events")
    let failing = try rows(["dead", "retry", project.path, "--all", "--dry-run"], status: 1)
    #expect(failing.filter { $0["result"] == "would fail" }.count == 42, "\(failing)")
    #expect(failing.last?["result"] == "would stay bad", "\(failing)")
    let edit = try rows(
      ["dead", "edit", project.path, "d-3", "-d", #"{"i":500}"#, "--dry-run"], status: 0)
    #expect(edit.first?["detail"] == "6 of 6 events behind it too; emits 7 B", "\(edit)")
    #expect(edit.contains { $0["result"] == "- t" && $0["detail"] == "k=hot n=42" }, "\(edit)")
    #expect(edit.contains { $0["result"] == "+ t" && $0["detail"] == "k=hot n=542" }, "\(edit)")
    #expect(try files.map { try Sqlite.dump($0) } == before)
    #expect(try project.query("select count(*) from sys.events") == end)
    #expect(try project.query("select count(*) from sys.dead_letters") == [[JSONCell("43")]])
    let left = try FileManager.default.contentsOfDirectory(
      atPath: project.folder.appending(path: ".moontide").path)
    #expect(left.allSatisfy { !$0.hasPrefix("rehearsal") }, "\(left)")
  }

  @Test func `a quarantined line is taken after its file was mended, or is skipped, or replaced`() throws {
    let project = try project(lines: "rubbish\n{\"id\":\"a-1\",\"type\":\"Z\",\"data\":{}}\nworse\n")
    let strict = try Binary.run(["run", project.path, "--once", "--strict", "-q"])
    #expect(strict.status == 65 && strict.errors.contains("events/a.jsonl:71"), "\(strict.errors)")
    try project.runOnce()
    let lines = try project.query(
      "select id, place from sys.dead_letters where handler = 'ingest' order by position")
    #expect(lines.map { $0[1].description } == (71...73).map { "events/a.jsonl:\($0)" })
    let ids = lines.map { $0[0].description }
    #expect(
      try rows(["dead", "retry", project.path] + ids, status: 1).map { $0["result"] } == [
        "bad", "bad", "bad",
      ])
    let mended = #"{"id":"m-1","type":"A","key":"new","data":{"i":7}}"#
    try project.write(
      Self.events + mended + "\n{\"id\":\"a-1\",\"type\":\"Z\",\"data\":{}}\nworse\n", to: "events/a.jsonl")
    #expect(
      try rows(["dead", "retry", project.path] + ids, status: 1).map { $0["result"] } == [
        "taken", "bad", "bad",
      ])
    let skip = try rows(["dead", "skip", project.path, ids[1], "--reason", "known"], status: 0)
    #expect(skip.map { $0["result"] } == ["skipped"])
    let line = #"{"id":"m-2","type":"A","key":"new","data":{"i":8}}"#
    #expect(
      try rows(["dead", "edit", project.path, ids[2], "-d", line], status: 0).map { $0["result"] } == [
        "taken"
      ])
    #expect(
      try project.query("select count(*) from sys.dead_letters where handler = 'ingest'") == [[JSONCell("0")]]
    )
    try project.runOnce()
    #expect(try project.query("select n from t where k = 'new'") == [[JSONCell("15")]], "each once")
    #expect(
      try project.query("select count(*) from sys.dead_letters where handler = 'ingest'") == [[JSONCell("0")]]
    )
  }

  @Test func `an export has a line for each, with its event`() throws {
    let project = try project(lines: "rubbish\n")
    try project.runOnce()
    let lines = try Binary.succeed(["dead", "export", project.path]).split(separator: "\n")
    #expect(lines.count == 43)
    let first = try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any]
    let event = first?["event"] as? [String: Any]
    #expect(first?["handler"] as? String == "c" && event?["id"] as? String == "a-3")
    #expect((event?["data"] as? [String: Any])?["i"] as? Int == 3)
    let last = try JSONSerialization.jsonObject(with: Data(lines[42].utf8)) as? [String: Any]
    #expect(last?["raw"] as? String == "rubbish" && last?["event"] is NSNull)
    let array = try Binary.succeed(["dead", "export", "-C", project.path, "d-3", "--json"])
    #expect((try JSONSerialization.jsonObject(with: Data(array.utf8)) as? [Any])?.count == 2)
  }
}

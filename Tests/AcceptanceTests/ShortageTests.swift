import Foundation
import Glibc
import Testing

/// A disk that is full, descriptors that are used up, signals: the real binary waits or ends as it says.
@Suite(.serialized) struct ShortageTests {
  static let handlers = """
    projection "things" {
      schema = [[ create table things(id text primary key, n integer, filler text); ]],
      on = { ["*"] = function(event, db)
        db.things:add(event.key, { n = 1 })
        db.things:put { id = event.key, filler = string.rep(event.id, 20) }
      end },
    }

    consumer "echo" {
      from = "start",
      on = { Thing = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "Echoed", data = { n = ctx.state.n } }
      end },
    }

    projection "echoes" {
      schema = [[ create table echoes(id text primary key, n integer); ]],
      on = { Echoed = function(event, db) db.echoes:add(event.key, { n = 1 }) end },
    }
    """

  static func project(events: Int) throws -> TestProject {
    let project = try TestProject()
    try project.write(handlers, to: "handlers/things.lua")
    let filler = String(repeating: "x", count: 60)
    var lines = ""
    for n in 0..<events {
      lines += #"{"id":"e-\#(n)","type":"Thing","key":"k\#(n % 400)","data":{"text":"\#(filler)"}}"# + "\n"
    }
    try project.write(lines + "no json\n", to: "events/things.jsonl")
    return project
  }

  /// Rows of both read models, which do not depend on the order in which echoes came.
  static func rows(_ project: TestProject) throws -> [String] {
    try ["select * from echoes order by id", "select id, n from things order by id"].map {
      try Binary.succeed(["query", project.path, $0, "-o", "csv"])
    }
  }

  static func waitUntilDone(_ project: TestProject, events: Int) throws {
    try LiveRun.wait("an end of all lag") {
      let outcome = try Binary.run(["lag", project.path, "--max", "0"])
      guard outcome.status == 0 else { return false }
      let sum = try Binary.run(["query", project.path, "select sum(n) from echoes", "-o", "csv"])
      return sum.status == 0 && sum.output.split(whereSeparator: \.isNewline).last == Substring("\(events)")
    }
  }

  @Test(.enabled(if: SmallDisk.isAllowed, "mounting a tmpfs is not allowed here"))
  func `a disk that is full stops nothing for good: the run goes on when there is room`() throws {
    let events = 3_000
    let calm = try Self.project(events: events)
    try calm.runOnce()
    let project = try Self.project(events: events)
    let disk = try SmallDisk(project.folder.appending(path: "data"), kibibytes: 700)
    let run = try LiveRun(["run", project.path])
    try run.waitForError("no room on the disk")
    try run.waitForError("goes on by itself")
    // Step by step, so that each part meets its own end of the room: log, stores, their write-ahead logs.
    for kibibytes in [900, 1_200, 1_600, 2_000, 2_500, 3_000, 4_000] {
      try disk.grow(kibibytes: kibibytes)
      usleep(300_000)
      let told = try run.errors()
      #expect(run.process.isRunning, "\(told)")
    }
    try disk.grow(kibibytes: 64 << 10)
    try Self.waitUntilDone(project, events: events)
    #expect(run.interrupt() == 0)
    #expect(try Self.rows(project) == Self.rows(calm))
    let doctor = try Binary.run(["doctor", project.path, "--full"])
    #expect(doctor.status == 0, "\(doctor.output)")
  }

  @Test(.enabled(if: SmallDisk.isAllowed, "mounting a tmpfs is not allowed here"))
  func `a rebuild and the end of a run wait for room too`() throws {
    let events = 2_000
    let project = try Self.project(events: events)
    let disk = try SmallDisk(project.folder.appending(path: "data"), kibibytes: 64 << 10)
    try project.runOnce()
    let before = try Self.rows(project)
    try project.write(
      Self.handlers.replacing("string.rep(event.id, 20)", with: "string.rep(event.id, 21)"),
      to: "handlers/things.lua")
    try disk.fill(leaving: 20)
    let run = try LiveRun(["run", project.path])
    try run.waitForError("no room on the disk")
    try disk.empty()
    try LiveRun.wait("a rebuilt read model") {
      try project.query("select count(*) from sys.handlers where state = 'running'")[0][0].description == "3"
    }
    #expect(run.interrupt() == 0)
    #expect(try Self.rows(project) == before)
    #expect(try Binary.run(["doctor", project.path, "--full"]).status == 0)
  }

  @Test(.enabled(if: SmallDisk.isAllowed, "mounting a tmpfs is not allowed here"))
  func `a run starts and ends on a disk without any room, and everybody who needs some is told`() throws {
    let events = 300
    let project = try Self.project(events: events)
    let disk = try SmallDisk(project.folder.appending(path: "data"), kibibytes: 64 << 10)
    try disk.fill(leaving: 4)
    let first = try LiveRun(["run", project.path])
    try first.waitForError("E0314")
    try disk.empty()
    try Self.waitUntilDone(project, events: events)
    // Its indexes and write-ahead logs have to wait for the next run.
    try disk.fill(leaving: 4)
    #expect(first.interrupt() == 0)
    let told = try first.errors()
    #expect(told.contains("nothing is lost"), "\(told)")
    let second = try LiveRun(["run", project.path])
    try second.waitForError("caught up")
    let big = project.folder.appending(path: "big.json")
    try Data("{\"text\":\"\(String(repeating: "x", count: 200_000))\"}".utf8).write(to: big)
    let append = try Binary.run(["append", "Thing", "-C", project.path, "-d", "@\(big.path)"])
    #expect(append.status == 2 && append.errors.contains("E0314"), "\(append.errors)")
    #expect(second.interrupt() == 0)
    try disk.empty()
    #expect(try Binary.run(["doctor", project.path, "--full"]).status == 0)
  }

  @Test(arguments: [6, 12])
  func `a run that may hardly open a file starts all the same, and waits`(descriptors: Int) throws {
    let events = 200
    let project = try Self.project(events: events)
    let run = try LiveRun(["run", project.path], limits: "ulimit -S -n \(descriptors)")
    try run.waitForError("E0314")
    try run.allowDescriptors(256)
    try Self.waitUntilDone(project, events: events)
    #expect(run.interrupt() == 0)
    #expect(try Binary.run(["doctor", project.path, "--full"]).status == 0)
  }

  @Test func `a run without file descriptors waits, and goes on when it may open more`() throws {
    let events = 500
    let project = try Self.project(events: events)
    let run = try LiveRun(["run", project.path], limits: "ulimit -S -n 16")
    try run.waitForError("Too many open files")
    try run.allowDescriptors(256)
    try Self.waitUntilDone(project, events: events)
    #expect(run.interrupt() == 0)
  }

  @Test func `a file that may not grow ends the run with a message, not with a signal, and loses nothing`()
    throws
  {
    let events = 3_000
    let project = try Self.project(events: events)
    // The shell counts in blocks of 512 bytes.
    let run = try LiveRun(["run", project.path, "--once"], limits: "ulimit -f 600")
    #expect(run.status() == 2)
    let told = try run.errors()
    #expect(told.contains("ulimit -f"), "\(told)")
    try project.runOnce()
    let calm = try Self.project(events: events)
    try calm.runOnce()
    #expect(try Self.rows(project) == Self.rows(calm))
    #expect(try Binary.run(["doctor", project.path]).status == 0)
  }

  @Test func `the first Ctrl-C ends a run in good order, a second signal at once`() throws {
    let project = try Self.project(events: 100)
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    #expect(run.interrupt() == 0)
    let told = try run.errors()
    #expect(told.contains("log ends at #201"), "\(told)")

    // A handler that is busy with each event until its budget ends: the first signal waits for it.
    try project.write(
      """
      projection "slow" {
        schema = [[ create table t(id text primary key, n integer); ]],
        on = { Thing = function(event, db)
          local n = 0
          for i = 1, 40000000 do n = n + i end
          db.t:put { id = event.key, n = n }
        end },
      }
      """, to: "handlers/slow.lua")
    let busy = try LiveRun(["run", project.path])
    try LiveRun.wait("the slow read model") {
      FileManager.default.fileExists(
        atPath: project.folder.appending(path: "data/readmodels/slow.sqlite").path)
    }
    // Two of one kind that come together would count once.
    busy.signal(SIGINT)
    busy.signal(SIGTERM)
    #expect(busy.status() == 130)
    #expect(try Binary.run(["doctor", project.path]).status == 0)
  }
}

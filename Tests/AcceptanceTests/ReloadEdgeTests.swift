import Foundation
import Testing

/// What asks for a reload, what refuses it, and what a kill leaves of it.
@Suite(.serialized) struct ReloadEdgeTests {
  private static func consumer(_ version: Int) -> String {
    """
    consumer "notes" { from = "start",
      on = { Placed = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "Noted", topic = "notes", data = { v = \(version), n = ctx.state.n } }
      end },
    }
    """
  }

  private static func decider(_ version: Int, name: String = "account", more: String = "") -> String {
    """
    decider "\(name)" { \(more) topic = "accounts", key = "account",
      initial = function() return { n = 0 } end,
      decide = { Deposit = function(command, state) return events.Deposited { v = \(version) } end },
      evolve = { Deposited = function(state) state.n = state.n + 1 return state end },
    }
    """
  }

  private static func saga(_ step: String) -> String {
    """
    saga "orders" {
      starts_on = "Placed", from = "start",
      initial = function(event) return { id = event.key } end,
      steps = {
        { name = "\(step)", send = function(state) return commands.Deposit { account = state.id } end,
          succeeds_on = "Never" },
      },
    }
    """
  }

  private func project(_ scripts: [String: String]) throws -> TestProject {
    let project = try TestProject()
    for (name, text) in scripts { try project.write(text, to: "handlers/\(name).lua") }
    let lines = (0..<3).map { #"{"id":"e-\#($0)","type":"Placed","key":"o-\#($0)","data":{}}"# + "\n" }
    try project.write(lines.joined(), to: "events/a.jsonl")
    return project
  }

  private func rows(_ project: TestProject, _ sql: String) throws -> [String] {
    try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
  }

  private func running(_ project: TestProject, _ more: [String] = [], limits: String = "true") throws
    -> LiveRun
  {
    let run = try LiveRun(["run", project.path] + more, limits: limits)
    try run.waitForError("caught up")
    return run
  }

  @Test func `reload takes up at once, says what follows, and is refused with what is wrong`() throws {
    let project = try project(["notes": Self.consumer(1)])
    var asked = try Binary.run(["reload", project.path])
    #expect(asked.status == 0 && asked.errors.contains("nothing runs"), "\(asked)")
    let run = try running(project)
    asked = try Binary.run(["reload", project.path])
    #expect(asked.status == 0 && asked.errors.contains("nothing to take up"), "\(asked)")
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    asked = try Binary.run(["reload", project.path, "-o", "csv"])
    #expect(asked.status == 0, "\(asked)")
    #expect(
      asked.output.contains("kind,name,change,version,follows")
        && asked.output.contains("consumer,notes,changed,") && asked.output.contains("takes over from #"),
      "\(asked)")
    let version = try rows(project, "select version from sys.handlers")[0]
    #expect(asked.output.contains(version), "\(asked) without \(version)")
    try project.write("consumer \"notes\" {", to: "handlers/notes.lua")
    asked = try Binary.run(["reload", project.path])
    #expect(asked.status == 2 && asked.errors.contains("error[E0101]"), "\(asked)")
    #expect(try rows(project, "select version from sys.handlers") == [version])
    #expect(run.interrupt() == 0)
    asked = try Binary.run(["reload", project.path])
    #expect(asked.status == 2 && asked.errors.contains("error[E0101]"), "nothing runs: \(asked)")
  }

  @Test func `SIGHUP takes up, also without --watch, and no edit does without it`() throws {
    let project = try project(["notes": Self.consumer(1)])
    let run = try running(project)
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    #expect(try rows(project, "select count(*) from sys.reloads where change = 'changed'") == ["0"])
    run.signal(SIGHUP)
    try run.waitForError("reloaded: consumer notes")
    #expect(run.interrupt() == 0)
  }

  @Test func `--watch is for a run that goes on`() throws {
    let project = try project([:])
    let refused = try Binary.run(["run", project.path, "--once", "--watch"])
    #expect(refused.status == 64 && refused.errors.contains("--watch"), "\(refused)")
  }

  @Test func `a saga whose open instances do not fit refuses the whole edit`() throws {
    let project = try project([
      "orders": Self.saga("pay"), "desk": Self.decider(1), "notes": Self.consumer(1),
    ])
    let run = try running(project, ["--watch"])
    try LiveRun.wait("open instances") { try rows(project, "select count(*) from sys.sagas") == ["3"] }
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    try run.waitForError("reloaded: consumer notes")
    try project.write(Self.saga("bill"), to: "handlers/orders.lua")
    try run.waitForError("error[E0350]: saga orders: 3 open instances stand on steps")
    try run.waitForError("not reloaded:")
    // It goes on by its old script.
    try project.write(
      #"{"id":"e-9","type":"Placed","key":"o-9","data":{}}"# + "\n", to: "events/b.jsonl")
    try LiveRun.wait("another instance") {
      try rows(project, "select step, count(*) from sys.sagas group by 1") == ["pay|4"]
    }
    let fitting = Self.saga("bill").replacingOccurrences(
      of: "starts_on", with: "migrate = function(state, step) return state, \"bill\" end, starts_on")
    try project.write(fitting, to: "handlers/orders.lua")
    try run.waitForError("reloaded: saga orders")
    try LiveRun.wait("migrated instances") {
      try rows(project, "select step, count(*) from sys.sagas group by 1") == ["bill|4"]
    }
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `commands across edits of their decider are all answered, none is refused`() throws {
    let project = try project(["account": Self.decider(1)])
    let run = try running(project, ["--watch"])
    let senders = DispatchQueue(label: "senders")
    let (path, done) = (project.path, DispatchSemaphore(value: 0))
    nonisolated(unsafe) var outcomes: [Binary.Outcome] = []
    senders.async {
      for index in 0..<60 {
        do {
          outcomes.append(
            try Binary.run(
              ["send", "Deposit", "-d", "{\"account\":\"a\"}", "--id", "c-\(index)", "-C", path]))
        } catch { print("cannot send: \(error)") }
      }
      done.signal()
    }
    for version in 2..<12 {
      // The fifth edit renames it.
      let more = version < 7 ? "" : "was = \"account\","
      try project.write(
        Self.decider(version, name: version < 7 ? "account" : "book", more: more), to: "handlers/account.lua")
      usleep(150_000)
    }
    done.wait()
    #expect(outcomes.count == 60)
    for outcome in outcomes where outcome.status != 0 { Issue.record("\(outcome)") }
    #expect(
      try rows(project, "select count(*), count(distinct key) from sys.events where topic = 'accounts'") == [
        "60|1"
      ])
    let versions = try rows(
      project, "select count(distinct json_extract(data, '$.v')) from sys.events where topic = 'accounts'")
    #expect((Int(versions[0]) ?? 0) > 1, "no edit fell among the commands: \(versions)")
    #expect(run.interrupt() == 0, "\(run.told)")
    #expect(run.told.contains("decider book: 60 accepted"), "\(run.told)")
  }

  @Test(arguments: ["after-reload-record", "during-takeover"])
  func `a kill in the middle of a takeover loses and repeats nothing`(place: String) throws {
    let project = try project(["notes": Self.consumer(1), "account": Self.decider(1)])
    let run = try running(project, ["--watch"], limits: "export MOONTIDE_CRASH_AT=\(place):1")
    try project.write(Self.decider(2), to: "handlers/account.lua")
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    #expect(run.status() == -SIGKILL)
    try project.write(
      (3..<6).map { #"{"id":"e-\#($0)","type":"Placed","key":"o-\#($0 - 3)","data":{}}"# + "\n" }.joined(),
      to: "events/b.jsonl")
    try project.runOnce()
    #expect(
      try rows(
        project,
        "select json_extract(data, '$.v'), json_extract(data, '$.n'), count(*) from sys.events "
          + "where type = 'Noted' group by 1, 2 order by 1") == ["1|1|3", "2|2|3"])
    #expect(
      try rows(project, "select change, handler from sys.reloads where change = 'changed' order by 2") == [
        "changed|account", "changed|notes",
      ])
  }

  @Test func `scripts that do not load at the start give way to those that were last at work`() throws {
    let project = try project(["notes": Self.consumer(1)])
    try project.runOnce()
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    try project.runOnce()
    try project.write("consumer \"notes\" {", to: "handlers/notes.lua")
    let refused = try Binary.run(["run", project.path])
    #expect(refused.status == 2 && refused.errors.contains("E0101"), "\(refused)")
    let run = try running(project, ["--watch"])
    #expect(try run.errors().contains("those run that were last at work"), "\(run.told)")
    try project.write(
      (3..<6).map { #"{"id":"e-\#($0)","type":"Placed","key":"o-\#($0 - 3)","data":{}}"# + "\n" }.joined(),
      to: "events/b.jsonl")
    try LiveRun.wait("six notes") {
      try rows(
        project, "select json_extract(data, '$.v'), count(*) from sys.events where type = 'Noted' group by 1")
        == ["1|3", "2|3"]
    }
    try project.write(Self.consumer(3), to: "handlers/notes.lua")
    try run.waitForError("reloaded: consumer notes")
    #expect(run.interrupt() == 0)
  }

  @Test func `every version that was at work can be shown`() throws {
    let project = try project(["notes": Self.consumer(1)])
    try project.runOnce()
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    try project.runOnce()
    try project.write("consumer \"notes\" {", to: "handlers/notes.lua")
    let versions = try rows(project, "select version from sys.reloads order by position")
    #expect(versions.count == 2)
    for (index, version) in versions.enumerated() {
      let shown = try Binary.run([
        "handlers", "show", project.path, "notes", "--version", String(version.prefix(8)),
      ])
      #expect(shown.status == 0 && shown.output == Self.consumer(index + 1) + "\n", "\(shown)")
      #expect(shown.errors.contains("consumer notes \(version), since 2"), "\(shown)")
    }
    #expect(try Binary.succeed(["handlers", "show", "notes", "-C", project.path]).contains("v = 2"))
    let none = try Binary.run(["handlers", "show", project.path, "notes", "--version", "123456"])
    #expect(none.status == 2 && none.errors.contains(versions[0]), "\(none)")
    #expect(try Binary.run(["handlers", "show", project.path, "nots"]).errors.contains("E0615"))
  }

  @Test func `settings are taken up, and what needs another run is told`() throws {
    let looping = """
      consumer "loop" { from = "start", retry = { attempts = 1 },
        on = { Placed = function(event, ctx) for i = 1, 200000 do end end } }
      """
    let project = try project(["loop": looping])
    try project.write("return { budget = { instructions = 1000000 } }", to: "moontide.lua")
    let run = try running(project, ["--watch"])
    try project.write("return { budget = { instructions = 1000 }, flush = \"100ms\" }", to: "moontide.lua")
    try run.waitForError("reloaded: settings moontide.lua")
    try run.waitForError("flush in moontide.lua counts from the next run on")
    try project.write(
      #"{"id":"e-9","type":"Placed","key":"o-9","data":{}}"# + "\n", to: "events/b.jsonl")
    try LiveRun.wait("the tripped budget") {
      try rows(project, "select code from sys.dead_letters") == ["E0302"]
    }
    try project.write("return { topics = { events = { partitions = 3 } } }", to: "moontide.lua")
    try run.waitForError("E0614")
    #expect(run.interrupt() == 0)
  }

  @Test func `run --only takes up what it runs`() throws {
    let project = try project(["notes": Self.consumer(1), "account": Self.decider(1)])
    let run = try running(project, ["--watch", "--only", "notes"])
    try project.write(Self.decider(2), to: "handlers/account.lua")
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    try run.waitForError("reloaded: consumer notes")
    #expect(try !run.errors().contains("decider account"))
    #expect(try rows(project, "select handler from sys.reloads where change = 'changed'") == ["notes"])
    #expect(run.interrupt() == 0)
  }
}

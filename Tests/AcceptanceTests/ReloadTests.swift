import Foundation
import Testing

/// Scripts edited while a run goes on, through the binary. `LiveEditTests` has many edits at random moments.
@Suite(.serialized) struct ReloadTests {
  private static func projection(_ status: String, name: String = "orders", more: String = "") -> String {
    """
    projection "\(name)" { \(more)
      schema = [[ create table orders(id text primary key, status text); ]],
      on = { Placed = function(event, db) db.orders:put { id = event.key, status = "\(status)" } end },
    }
    """
  }

  private static func consumer(_ version: Int, name: String = "notes", more: String = "") -> String {
    """
    consumer "\(name)" { from = "start", \(more)
      on = { Placed = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.effect("log", { file = "out.log", text = event.id })
        ctx.emit { type = "Noted", topic = "notes",
          data = { v = \(version), n = ctx.state.n, of = event.id } }
      end },
    }
    """
  }

  /// One that goes on, with a projection and a consumer at the end of three events.
  private final class Edited {
    let project: TestProject
    let run: LiveRun
    private var placed = 0

    init(_ more: [String: String] = [:], arguments: [String] = ["--watch"], limits: String = "true") throws {
      project = try TestProject()
      try project.write(ReloadTests.projection("one"), to: "handlers/orders.lua")
      try project.write(ReloadTests.consumer(1), to: "handlers/notes.lua")
      for (path, text) in more { try project.write(text, to: path) }
      try project.write("", to: "events/a.jsonl")
      run = try LiveRun(["run", project.path] + arguments, limits: limits)
      try place(3)
    }

    /// Appends events, and waits until both have handled them.
    func place(_ count: Int, waits: Bool = true) throws {
      let file = try FileHandle(forWritingTo: project.folder.appending(path: "events/a.jsonl"))
      try file.seekToEnd()
      for _ in 0..<count {
        placed += 1
        let line = #"{"id":"e-\#(placed)","type":"Placed","key":"o-\#(placed % 3)","data":{}}"# + "\n"
        try file.write(contentsOf: Data(line.utf8))
      }
      try file.close()
      if waits { try settle() }
    }

    func settle() throws {
      let wanted = "\(placed)|\(placed)"
      do {
        try LiveRun.wait("\(wanted) handled") {
          try rows(
            "select (select count(*) from sys.events where type = 'Noted'), "
              + "(select coalesce(max(applied), 0) from sys.handlers where kind = 'projection')") == [wanted]
        }
      } catch { throw Fault("\(error): \(try run.errors())") }
    }

    func rows(_ sql: String) throws -> [String] {
      try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
    }

    /// Writes a script and waits until it was taken up, or refused.
    func edit(_ text: String, _ path: String, until told: String = "\nreloaded:") throws {
      let before = try count(told)
      try project.write(text, to: path)
      try LiveRun.wait(told) { try self.count(told) > before || !self.run.process.isRunning }
      guard run.process.isRunning else { throw Fault("it ended: \(try run.errors())") }
    }

    /// How often the run said that.
    func count(_ text: String) throws -> Int {
      ("\n" + (try run.errors())).components(separatedBy: text).count - 1
    }

    func end() throws { #expect(run.interrupt() == 0, "\(told)") }

    var told: String { run.told }

    func changes() throws -> [String] {
      try rows(
        "select change, kind, handler from sys.reloads where position is not null and change <> 'added'")
    }
  }

  private func wait(_ what: String, until holds: () throws -> Bool) throws {
    try LiveRun.wait(what, until: holds)
  }

  @Test func `an edit takes over: a read model is folded anew, a consumer goes on with its next event`()
    throws
  {
    let edited = try Edited()
    try edited.edit(Self.projection("two"), "handlers/orders.lua")
    try wait("the new read model") { try edited.rows("select distinct status from orders") == ["two"] }
    try edited.edit(Self.consumer(2), "handlers/notes.lua")
    try edited.place(3)
    #expect(
      try edited.rows(
        "select json_extract(data, '$.v'), json_extract(data, '$.n'), count(*) from sys.events "
          + "where type = 'Noted' group by 1, 2 order by 1, 2") == ["1|1|3", "2|2|3"])
    #expect(try edited.changes() == ["changed|projection|orders", "changed|consumer|notes"])
    #expect(
      try edited.rows(
        "select count(*) from sys.handlers h join sys.reloads r on (handler, r.version) = (name, h.version)"
      )
        == ["2"])
    try edited.end()
  }

  @Test func `a half-written edit is told once, and everything goes on as it was`() throws {
    let edited = try Edited()
    let half = String(Self.consumer(2).prefix(80))
    try edited.edit(half, "handlers/notes.lua", until: "not reloaded:")
    #expect(try edited.run.errors().contains("handlers/notes.lua:"), "\(edited.told)")
    // A good edit of another script is not taken up beside it: all or nothing.
    try edited.edit(Self.projection("two"), "handlers/orders.lua", until: "not reloaded:")
    try edited.project.write(half, to: "handlers/notes.lua")
    try edited.place(3)
    #expect(try edited.rows("select distinct status from orders") == ["one"])
    #expect(try edited.changes() == [])
    try edited.edit(Self.consumer(2), "handlers/notes.lua")
    #expect(try edited.count("not reloaded:") == 2, "\(edited.told)")
    #expect(try edited.changes() == ["changed|consumer|notes", "changed|projection|orders"])
    try edited.place(1)
    #expect(
      try edited.rows(
        "select count(*), count(distinct json_extract(data, '$.of')) from sys.events "
          + "where type = 'Noted'") == ["7|7"])
    try edited.end()
  }

  @Test func `comments, swap files, backups and moved files cause nothing`() throws {
    let edited = try Edited()
    for name in [".orders.lua.swp", "4913", "orders.lua~", "orders.lua.bak", "#orders.lua#"] {
      try edited.project.write("projection \"broken\" {", to: "handlers/\(name)")
    }
    try edited.project.write("-- what we sell\n" + Self.projection("one"), to: "handlers/orders.lua")
    try edited.project.write(Self.consumer(1), to: "handlers/deep/er/notes.lua")
    try FileManager.default.removeItem(at: edited.project.folder.appending(path: "handlers/notes.lua"))
    try edited.edit(Self.consumer(1, name: "others"), "handlers/new/others.lua")
    #expect(
      try edited.rows(
        "select handler from sys.reloads where position = (select max(position) from sys.reloads)")
        == ["others"])
    #expect(try edited.count("\nreloaded:") == 1, "\(edited.told)")
    try edited.end()
  }

  @Test func `was carries state, place and file over to the new name`() throws {
    let edited = try Edited()
    try edited.edit(Self.consumer(2, name: "memos", more: "was = \"notes\","), "handlers/notes.lua")
    try edited.edit(
      Self.projection("two", name: "sales", more: "was = \"orders\","), "handlers/orders.lua")
    try edited.place(3)
    #expect(
      try edited.rows(
        "select json_extract(data, '$.n'), count(*) from sys.events where type = 'Noted' group by 1")
        == ["1|3", "2|3"])
    try wait("the new read model") { try edited.rows("select distinct status from sales.orders") == ["two"] }
    #expect(
      try edited.rows("select change, handler, was from sys.reloads where was is not null") == [
        "renamed|memos|notes", "renamed|sales|orders",
      ])
    let old = try Binary.run(["query", edited.project.path, "select * from orders.orders"])
    #expect(old.status != 0 && old.errors.contains("there is no read model orders"), "\(old.errors)")
    #expect(old.errors.contains("it was renamed: its tables are sales.orders"), "\(old.errors)")
    let data = edited.project.folder.appending(path: "data")
    for gone in ["handlers/notes.sqlite", "readmodels/orders.sqlite", "archive"] {
      #expect(!FileManager.default.fileExists(atPath: data.appending(path: gone).path), "\(gone)")
    }
    try edited.end()
  }

  @Test func `a removed projection takes the read model along that it took the place of`() throws {
    let edited = try Edited()
    try edited.edit(Self.projection("two"), "handlers/orders.lua")
    try wait("the new word") { try edited.rows("select distinct status from orders") == ["two"] }
    let script = edited.project.folder.appending(path: "handlers/orders.lua")
    try FileManager.default.removeItem(at: script)
    try edited.run.waitForError("the one that it took the place of is now data/archive/orders-")
    let data = edited.project.folder.appending(path: "data")
    let put = try FileManager.default.contentsOfDirectory(atPath: data.path + "/archive").sorted()
    #expect(put.count == 2 && put[0].hasSuffix("Z.former.sqlite") && put[1].hasSuffix("Z.sqlite"), "\(put)")
    for (file, status) in zip(put, ["one\n", "two\n"]) {
      let path = data.appending(path: "archive/\(file)").path
      #expect(try Sqlite.run(path, "select distinct status from orders") == status, "\(file)")
    }
    let left = try FileManager.default.contentsOfDirectory(atPath: data.path + "/readmodels")
    #expect(!left.contains { $0.contains("orders") }, "\(left)")
    try edited.end()
  }

  @Test func `a removed handler's file is put away, and one with work left stays until it is approved`()
    throws
  {
    let failing = Self.consumer(1, name: "bad", more: "retry = { attempts = 1 },")
      .replacingOccurrences(of: "ctx.state.n =", with: "error(\"no\") ctx.state.n =")
    let edited = try Edited(["handlers/bad.lua": failing])
    try wait("dead letters") { try edited.rows("select dead from sys.handlers where name = 'bad'") == ["3"] }
    let handlers = edited.project.folder.appending(path: "handlers")
    try FileManager.default.removeItem(at: handlers.appending(path: "bad.lua"))
    try FileManager.default.removeItem(at: handlers.appending(path: "orders.lua"))
    try edited.run.waitForError("goes on by its old script; everything else was taken up")
    #expect(try edited.run.errors().contains("consumer bad was removed and has work left: 3 dead letters"))
    try wait("the archive") {
      try edited.rows("select name from sys.handlers order by 1") == ["bad", "notes"]
    }
    let archive = edited.project.folder.appending(path: "data/archive")
    var put = try FileManager.default.contentsOfDirectory(atPath: archive.path)
    #expect(put.count == 1 && put[0].hasPrefix("orders-2") && put[0].hasSuffix("Z.sqlite"), "\(put)")
    #expect(try Sqlite.run(archive.appending(path: put[0]).path, "select count(*) from orders") == "3\n")

    let kept = try Binary.run(["reload", edited.project.path])
    #expect(kept.status == 0 && kept.output.contains("kept"), "\(kept)")
    let gone = try Binary.run(["reload", edited.project.path, "--approve"])
    #expect(gone.status == 0 && gone.output.contains("its file is now data/archive/bad-"), "\(gone)")
    #expect(try edited.rows("select name from sys.handlers") == ["notes"])
    put = try FileManager.default.contentsOfDirectory(atPath: archive.path).sorted()
    #expect(put.count == 2, "\(put)")
    #expect(
      try edited.rows("select kind, handler, version from sys.reloads where change = 'removed'") == [
        "projection|orders|", "consumer|bad|",
      ])

    // A new one must say where it begins. See `ReturnTests` for one that comes back.
    let new = Self.consumer(1, name: "more").replacingOccurrences(of: "from = \"start\",", with: "")
    try edited.edit(new, "handlers/bad.lua", until: "not reloaded:")
    #expect(try edited.count("error[E0120]") == 1)
    try edited.edit(Self.consumer(1, name: "more"), "handlers/bad.lua")
    try wait("three more") {
      try edited.rows("select count(*) from sys.events where type = 'Noted'") == ["6"]
    }
    try edited.end()
  }

  @Test func `an edited module or upcaster reaches whom it concerns`() throws {
    let edited = try Edited([
      "lib/words.lua": "return { status = \"one\" }",
      "handlers/orders.lua": "local words = require \"lib.words\"\n"
        + Self.projection("one").replacingOccurrences(of: "\"one\"", with: "words.status"),
    ])
    try edited.edit("return { status = \"two\" }", "lib/words.lua")
    try wait("the new word") { try edited.rows("select distinct status from orders") == ["two"] }
    #expect(try edited.changes() == ["changed|projection|orders"])
    try edited.edit(
      "upcaster \"Placed\" { [1] = function(data) data.up = 1 return data end }", "handlers/up.lua")
    #expect(
      try edited.changes() == [
        "changed|projection|orders", "changed|consumer|notes", "changed|projection|orders",
      ])
    // Of a type that nobody reads: nobody begins anew.
    try edited.edit("upcaster \"Else\" { [1] = function(data) return data end }", "handlers/else.lua")
    #expect(try edited.changes().count == 3)
    try edited.place(3)
    try edited.end()
  }

  @Test func `30 quick edits under load: each event is handled once, in the order of its key`() throws {
    let edited = try Edited()
    for version in 2...31 {
      try edited.place(40, waits: false)
      try edited.project.write(Self.consumer(version), to: "handlers/notes.lua")
      usleep(UInt32.random(in: 0..<120_000))
    }
    try wait("the last edit") {
      try edited.run.errors().contains("reloaded:")
        && edited.rows("select max(json_extract(data, '$.v')) > 2 from sys.events where type = 'Noted'") == [
          "1"
        ]
    }
    try edited.settle()
    let count = 3 + 30 * 40
    #expect(
      try edited.rows(
        "select count(*), count(distinct json_extract(data, '$.of')) from sys.events where type = 'Noted'")
        == ["\(count)|\(count)"])
    // Keys of effects do not depend on the version, and none is performed twice.
    try wait("all effects") {
      try edited.rows("select count(*), count(distinct key) from sys.effects where state = 'done'")
        == ["\(count)|\(count)"]
    }
    let lines = try String(
      contentsOf: edited.project.folder.appending(path: "out.log"), encoding: .utf8
    ).split(separator: "\n")
    #expect(lines.count == count && Set(lines).count == count, "\(lines.count) lines")
    let versions = try edited.rows("select count(distinct version) > 1 from sys.effects")
    #expect(versions == ["1"])
    // Its state went through all versions: the n-th of each key was the n-th.
    #expect(
      try edited.rows(
        """
        select count(*) from (select key, json_extract(data, '$.n') n,
          row_number() over (partition by key order by position) place from sys.events where type = 'Noted')
        where n <> place
        """) == ["0"])
    try edited.end()
  }
}

import Foundation
import Glibc
import Testing

/// Edits that meet trouble: folders that are elsewhere for a while, files that cannot be gone on with.
@Suite(.serialized) struct ReloadTroubleTests {
  private static func consumer(_ version: Int, name: String = "notes") -> String {
    """
    consumer "\(name)" { from = "start",
      on = { Placed = function(event, ctx)
        ctx.state.n = (ctx.state.n or 0) + 1
        ctx.emit { type = "Noted", topic = "\(name)", data = { v = \(version), n = ctx.state.n } }
      end },
    }
    """
  }

  private static let projection = """
    projection "orders" { schema = "create table orders(id text primary key, n integer)",
      on = { Placed = function(event, db) db.orders:add(event.key, { n = 1 }) end } }
    """

  private func project(_ scripts: [String: String]) throws -> TestProject {
    let project = try TestProject()
    for (name, text) in scripts { try project.write(text, to: "handlers/\(name).lua") }
    try publish(0..<3, in: project)
    return project
  }

  private func publish(_ numbers: Range<Int>, in project: TestProject) throws {
    let lines = numbers.map { #"{"id":"e-\#($0)","type":"Placed","key":"o-\#($0 % 3)","data":{}}"# + "\n" }
    try project.write(lines.joined(), to: "events/\(numbers.lowerBound).jsonl")
  }

  private func rows(_ project: TestProject, _ sql: String) throws -> [String] {
    try project.query(sql).map { $0.map(\.description).joined(separator: "|") }
  }

  @Test func `handlers that are elsewhere for a while take nothing away`() throws {
    let project = try project(["notes": Self.consumer(1), "orders": Self.projection])
    let run = try LiveRun(["run", project.path, "--watch"])
    try run.waitForError("caught up")
    let (handlers, aside) = (project.folder.appending(path: "handlers").path, project.folder.path + "/aside")
    #expect(rename(handlers, aside) == 0)
    try run.waitForError("the folder handlers/ is gone")
    try publish(3..<6, in: project)
    try LiveRun.wait("what goes on by its old scripts") {
      try rows(project, "select sum(n) from orders") == ["6"]
    }
    #expect(rename(aside, handlers) == 0)
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    try run.waitForError("reloaded: consumer notes")
    try publish(6..<9, in: project)
    try LiveRun.wait("all notes") {
      try rows(
        project,
        "select json_extract(data, '$.v'), count(*), max(json_extract(data, '$.n')) from sys.events "
          + "where type = 'Noted' group by 1 order by 1") == ["1|6|2", "2|3|3"]
    }
    #expect(!FileManager.default.fileExists(atPath: project.folder.appending(path: "data/archive").path))
    // Who says so means it.
    try FileManager.default.removeItem(atPath: handlers)
    let asked = try Binary.run(["reload", project.path])
    #expect(asked.status == 0 && asked.output.contains("projection  orders"), "\(asked)")
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test(arguments: ["after-reload-record", "during-takeover", ""])
  func `what was removed is put away, also where the process died before it could be`(place: String) throws {
    let scripts = [
      "notes": Self.consumer(1), "keep": Self.consumer(1, name: "keep"), "orders": Self.projection,
    ]
    let project = try project(scripts)
    let handlers = project.folder.appending(path: "handlers")
    func remove() throws {
      for name in ["notes.lua", "orders.lua"] {
        try FileManager.default.removeItem(at: handlers.appending(path: name))
      }
    }
    if place.isEmpty {
      try project.runOnce()
      try remove()
    } else {
      let run = try LiveRun(
        ["run", project.path, "--watch"], limits: "export MOONTIDE_CRASH_AT=\(place):1")
      try run.waitForError("caught up")
      try remove()
      #expect(run.status() == -SIGKILL)
    }
    try project.runOnce()
    let data = project.folder.appending(path: "data")
    for gone in ["handlers/notes.sqlite", "readmodels/orders.sqlite"] {
      #expect(!FileManager.default.fileExists(atPath: data.appending(path: gone).path), "\(gone)")
    }
    let put = try FileManager.default.contentsOfDirectory(atPath: data.appending(path: "archive").path)
    #expect(put.map { $0.prefix(6) }.sorted() == ["notes-", "orders"], "\(put)")
    // Back, it goes on where it stopped.
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    try publish(3..<6, in: project)
    try project.runOnce()
    #expect(
      try rows(
        project,
        "select json_extract(data, '$.v'), count(*) from sys.events "
          + "where type = 'Noted' and topic = 'notes' group by 1 order by 1") == ["1|3", "2|3"])
  }

  @Test func `what could not begin with its edit begins with the next reload`() throws {
    let project = try project(["notes": Self.consumer(1), "keep": Self.consumer(1, name: "keep")])
    try project.runOnce()
    let run = try LiveRun(["run", project.path, "--watch"])
    try run.waitForError("caught up")
    let files = project.folder.appending(path: "data/handlers")
    let aside = project.folder.appending(path: "aside")
    try FileManager.default.createDirectory(at: aside, withIntermediateDirectories: true)
    func move(_ from: URL, _ to: URL) throws {
      for name in try FileManager.default.contentsOfDirectory(atPath: from.path)
      where name.hasPrefix("notes.") {
        try FileManager.default.moveItem(at: from.appending(path: name), to: to.appending(path: name))
      }
    }
    try move(files, aside)
    try FileManager.default.copyItem(
      at: files.appending(path: "keep.sqlite"), to: files.appending(path: "notes.sqlite"))
    try project.write(Self.consumer(2), to: "handlers/notes.lua")
    try run.waitForError("error[E0402]: consumer notes cannot go on")
    try run.waitForError("reloaded: consumer notes")
    #expect(try run.errors().contains("does not run now") && !run.errors().contains("not reloaded"))
    let still = try Binary.run(["reload", project.path])
    #expect(still.status == 2 && still.errors.contains("E0402"), "\(still)")
    for ending in ["", "-wal", "-shm"] { unlink(files.path + "/notes.sqlite" + ending) }
    try move(aside, files)
    try publish(3..<6, in: project)
    let asked = try Binary.run(["reload", project.path])
    #expect(asked.status == 0 && asked.output.contains("takes over from #"), "\(asked)")
    try LiveRun.wait("the notes of the edited one") {
      try rows(
        project,
        "select json_extract(data, '$.v'), count(*), max(json_extract(data, '$.n')) from sys.events "
          + "where type = 'Noted' and topic = 'notes' group by 1 order by 1") == ["1|3|1", "2|3|2"]
    }
    let again = try Binary.run(["reload", project.path])
    #expect(again.status == 0 && again.errors.contains("nothing to take up"), "\(again)")
    #expect(run.interrupt() == 0, "\(run.told)")
  }
}

import Foundation
import Testing

/// Definitions that are removed and come back: an edit that is taken back, a branch that is switched to and
/// from. Their files are put away and taken back, and nothing is handled twice or left out.
@Suite(.serialized) struct ReturnTests {
  private typealias Story = ReturningProject

  @Test func `a consumer that is back goes on where it stopped, and nobody asks where it begins`() throws {
    let story = try Story(["notes": Story.consumer()])
    try story.place(6)
    let run = try story.run()
    try story.wait(for: 6, run)
    try story.remove("notes")
    try run.waitForError("its file is now data/archive/notes-")
    try story.place(3)
    try LiveRun.wait("nine events") {
      try story.rows("select count(*) from sys.events where type = 'Placed'") == ["9"]
    }
    try story.write(Story.consumer(2, from: ""), "notes")
    try story.wait(for: 9, run)
    let name = try #require(
      try story.rows("select store from sys.reloads where change = 'added' and store is not null").first)
    #expect(name.hasPrefix("data/archive/notes-2"))
    try run.waitForError("with \(name), which is back")
    try story.expectOnce()
    #expect(try story.files("archive") == [] && story.files("handlers") == ["notes.sqlite"])
    #expect(run.interrupt() == 0, "\(run.told)")
    #expect(try Binary.run(["doctor", story.project.path]).status == 0)
  }

  @Test func `what was removed and stopped is back at the next start, watched or not`() throws {
    for more in [["--once"], []] {
      let story = try Story(["notes": Story.consumer(), "orders": Story.projection("one")])
      try story.place(6)
      let run = try story.run()
      try story.wait(for: 6, run)
      try story.remove("notes")
      try story.remove("orders")
      try run.waitForError("consumer notes has ended")
      #expect(run.interrupt() == 0, "\(run.told)")
      // One more run without it leaves its file where it is.
      try story.place(3)
      try story.project.runOnce()
      try story.write(Story.consumer(from: ""), "notes")
      try story.write(Story.projection("one"), "orders")
      let before = try story.rows("select name, applied, lag from sys.handlers order by name")
      #expect(before == ["notes|6|3", "orders|6|3"])
      let back = try story.run(more)
      if more == ["--once"] {
        #expect(back.status() == 0, "\(back.told)")
      } else {
        try back.waitForError("caught up")
        try story.wait(for: 9, back)
      }
      #expect(back.told.contains("note[E0632]: consumer notes is back: it goes on from #"), "\(back.told)")
      #expect(back.told.contains("note[E0632]: projection orders is back: it goes on from #"))
      if more != ["--once"] { #expect(back.interrupt() == 0, "\(back.told)") }
      try story.expectOnce()
      #expect(
        try story.rows(
          "select handler, store is not null from sys.reloads where change = 'added' and position > 0 "
            + "order by position, handler") == ["notes|0", "orders|0", "notes|1", "orders|1"])
      #expect(try story.files("archive") == [])
    }
  }

  @Test func `dead letters and held events come back with their consumer`() throws {
    let failing = Story.consumer(more: "retry = { attempts = 1 },")
      .replacingOccurrences(
        of: "ctx.state.n =", with: "if event.id == \"e-0\" then error(\"no\") end ctx.state.n =")
    let story = try Story(["notes": failing])
    try story.place(6)
    let run = try story.run()
    try LiveRun.wait("a dead letter") {
      try story.rows("select dead, held from sys.handlers where name = 'notes'") == ["1|1"]
    }
    try story.remove("notes")
    try run.waitForError("goes on by its old script; everything else was taken up")
    let gone = try Binary.run(["reload", story.project.path, "--approve"])
    #expect(gone.output.contains("its file is now data/archive/notes-"), "\(gone) \(run.told)")
    #expect(try story.rows("select count(*) from sys.dead_letters") == ["0"])
    try story.place(3)
    try story.write(Story.consumer(2), "notes")
    try run.waitForError("which is back")
    #expect(try story.rows("select id, mended from sys.dead_letters") == ["d-0|1"])
    try run.waitForError("consumer notes was edited since 1 event of it became dead")
    try Binary.succeed(["dead", "retry", "notes", "-C", story.project.path])
    try story.wait(for: 9, run)
    try story.expectOnce()
    #expect(try story.rows("select count(*) from sys.dead_letters") == ["0"])
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `an open effect of a consumer that is back is done once, under its key`() throws {
    // It fails as long as a file has the name of its folder.
    let patient = Story.consumer(more: "retry = { attempts = 900, backoff = \"50ms\", max = \"50ms\" },")
      .replacingOccurrences(of: "out/", with: "late/")
    let story = try Story(["notes": patient])
    try story.project.write("", to: "late")
    try story.place(1)
    let run = try story.run()
    try LiveRun.wait("a failed effect") {
      try story.rows("select count(*) from sys.effects where attempts > 0") == ["1"]
    }
    let key = try story.rows("select key from sys.effects")
    try story.remove("notes")
    try run.waitForError("work left: 1 open effect")
    try Binary.succeed(["reload", story.project.path, "--approve"])
    try FileManager.default.removeItem(at: story.project.folder.appending(path: "late"))
    try story.write(patient, "notes")
    try LiveRun.wait("the effect") {
      try story.rows("select key from sys.effects where state = 'done'") == key
    }
    #expect(
      try String(contentsOf: story.project.folder.appending(path: "late/notes.log"), encoding: .utf8)
        == "e-0\n")
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `a read model of the same version goes on, of another one it is folded anew`() throws {
    let story = try Story(["orders": Story.projection("one")])
    try story.place(6)
    let run = try story.run()
    try run.waitForError("caught up")
    func inode() throws -> UInt64? {
      let path = story.project.folder.appending(path: "data/readmodels/orders.sqlite").path
      return try FileManager.default.attributesOfItem(atPath: path)[.systemFileNumber] as? UInt64
    }
    func wait(_ status: String, _ count: Int) throws {
      try LiveRun.wait("\(count) rows") {
        // A new one has no table for a moment.
        let sql = "select status, count(*) from orders group by 1"
        return try Binary.run(["query", story.project.path, sql, "-o", "csv"]).output
          .replacingOccurrences(of: "\r", with: "")
          .contains("\n\(status),\(count)")
      }
    }
    try wait("one", 6)
    let first = try inode()
    try story.remove("orders")
    try run.waitForError("projection orders has ended")
    try story.place(3)
    try story.write(Story.projection("one"), "orders")
    try run.waitForError("which is back")
    try wait("one", 9)
    #expect(try inode() == first)
    let proof = try Binary.run(["projection", "verify", story.project.path, "orders"])
    #expect(proof.status == 0, "\(proof)")
    try story.remove("orders")
    try LiveRun.wait("the archive") { try story.files("archive").count == 1 }
    try story.write(Story.projection("two"), "orders")
    try run.waitForError("is folded from the start of the log")
    try wait("two", 9)
    #expect(try story.files("archive").count == 1)
    // The first one again: what was put away last is of another version.
    try story.remove("orders")
    try LiveRun.wait("the archive") { try story.files("archive").count == 2 }
    try story.write(Story.projection("one"), "orders")
    try wait("one", 9)
    #expect(try inode() == first)
    #expect(try story.files("archive").count == 1)
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `a saga that is back has its open instances, and must fit them`() throws {
    let story = try Story(["flow": Story.saga("pay"), "counter": Story.decider])
    try story.place(3)
    let run = try story.run()
    try story.wait(for: 3, of: "counted", run)
    try story.remove("flow")
    try run.waitForError("work left: 3 open instances")
    try Binary.succeed(["reload", story.project.path, "--approve"])
    try story.place(2)
    try story.write(Story.saga("bill"), "flow")
    try run.waitForError("error[E0350]: saga flow: 3 open instances stand on steps")
    try run.waitForError("not reloaded:")
    #expect(try story.files("handlers") == [] && story.files("archive").count == 1)
    try story.write(Story.saga("pay"), "flow")
    try story.wait(for: 5, of: "counted", run)
    #expect(try story.rows("select step, count(*) from sys.sagas group by 1") == ["pay|5"])
    #expect(
      try story.rows("select count(*), count(distinct key) from sys.events where topic = 'counted'")
        == ["5|5"])
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `a name goes from a consumer to a saga and back, each with its own file`() throws {
    let story = try Story(["notes": Story.consumer(), "counter": Story.decider])
    let saga = Story.saga("pay").replacingOccurrences(of: "\"flow\"", with: "\"notes\"")
    try story.place(3)
    let run = try story.run()
    try story.wait(for: 3, run)
    try story.write(saga, "notes")
    try story.wait(for: 3, of: "counted", run)
    #expect(try story.files("archive").count == 1)
    try story.place(3)
    try story.wait(for: 6, of: "counted", run)
    try story.write(Story.consumer(), "notes")
    try run.waitForError("another handler takes its name")
    try Binary.succeed(["reload", story.project.path, "--approve"])
    try run.waitForError("which is back")
    try story.wait(for: 6, run)
    try story.expectOnce()
    #expect(
      try story.rows(
        "select kind, store is not null from sys.reloads where change = 'added' and handler = 'notes' "
          + "order by position") == ["consumer|0", "saga|0", "consumer|1"])
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `one that is back under another name says which it was`() throws {
    let story = try Story(["notes": Story.consumer()])
    try story.place(3)
    let run = try story.run()
    try story.wait(for: 3, run)
    try story.remove("notes")
    try run.waitForError("consumer notes has ended")
    try story.place(3)
    let renamed = Story.consumer(from: "was = \"notes\",")
      .replacingOccurrences(of: "consumer \"notes\"", with: "consumer \"memos\"")
    try story.write(renamed, "memos")
    try story.wait(for: 6, run)
    #expect(try story.files("handlers") == ["memos.sqlite"] && story.files("archive") == [])
    #expect(
      try story.rows("select count(*), max(json_extract(data, '$.n')) from sys.events where topic = 'notes'")
        == ["6|2"])
    #expect(run.interrupt() == 0, "\(run.told)")
  }

  @Test func `a file of another log stays where it is, and a broken one is told`() throws {
    let (story, other) = (try Story(["notes": Story.consumer()]), try Story(["notes": Story.consumer()]))
    try other.place(9)
    try other.project.runOnce()
    try story.place(3)
    try story.project.runOnce()
    let data = story.project.folder.appending(path: "data")
    try FileManager.default.createDirectory(
      at: data.appending(path: "archive"), withIntermediateDirectories: true)
    let put = data.appending(path: "archive/notes-20990101T000000Z.sqlite")
    try FileManager.default.moveItem(at: data.appending(path: "handlers/notes.sqlite"), to: put)
    try FileManager.default.copyItem(
      at: other.project.folder.appending(path: "data/handlers/notes.sqlite"),
      to: data.appending(path: "archive/notes-20990101T000001Z.sqlite"))
    try story.place(3)
    try story.project.runOnce()
    try story.expectOnce()
    #expect(try story.files("archive") == ["notes-20990101T000001Z.sqlite"])
    // Behind those of a clock that was put back since.
    let run = try story.run()
    try run.waitForError("caught up")
    try story.remove("notes")
    try run.waitForError("consumer notes has ended")
    #expect(
      try story.files("archive") == ["notes-20990101T000001Z-2.sqlite", "notes-20990101T000001Z.sqlite"])
    #expect(run.interrupt() == 0)
    try Data(repeating: 7, count: 20_000).write(
      to: data.appending(path: "archive/notes-20990101T000001Z-2.sqlite"))
    try story.write(Story.consumer(), "notes")
    let refused = try Binary.run(["run", story.project.path, "--once"])
    #expect(refused.status != 0 && refused.errors.contains("notes-20990101T000001Z-2.sqlite"), "\(refused)")
    #expect(refused.errors.contains("moved out of data/archive it begins anew"), "\(refused)")
    #expect(try story.files("handlers") == [])
  }

  @Test(arguments: ["during-archive", "after-archive", "during-return", "after-return"])
  func `a kill while a file is put away or comes back loses and repeats nothing`(place: String) throws {
    for holdsLog in place.hasPrefix("during") ? [true] : [false, true] {
      let story = try Story(["notes": Story.consumer()])
      try story.place(3)
      let run = try story.run(crashAt: place)
      try story.wait(for: 3, run)
      // Somebody who reads the file keeps SQLite from writing the rest of its write-ahead log back into it.
      let path = story.project.folder.appending(path: "data/handlers/notes.sqlite").path
      let reader = holdsLog ? try HoldingReader(path) : nil
      try story.place(3)
      try story.wait(for: 6, run)
      try LiveRun.wait("all effects") {
        try story.rows("select count(*) from sys.effects where state = 'done'") == ["6"]
      }
      try story.remove("notes")
      if place.hasSuffix("return") {
        try run.waitForError("consumer notes has ended")
        try story.write(Story.consumer(), "notes")
      }
      #expect(run.status() == -SIGKILL, "\(run.told)")
      reader?.end()
      try story.place(3)
      if place.hasSuffix("archive") {
        // A run without it, which puts its file away where that was not done; then it comes back.
        try story.project.runOnce()
        #expect(try story.files("handlers") == [], "\(place)")
        try story.write(Story.consumer(), "notes")
      }
      // And once more on the way back.
      let again = try Binary.run(
        ["run", story.project.path, "--once", "-q"], environment: ["MOONTIDE_CRASH_AT": "during-return"])
      #expect(again.status == (place.hasSuffix("archive") ? SIGKILL : 0), "\(again)")
      try story.project.runOnce()
      try story.expectOnce("notes", "\(place), \(holdsLog)")
      #expect(try story.files("archive") == [] && story.files("handlers") == ["notes.sqlite"])
      #expect(try Binary.run(["doctor", story.project.path]).status == 0)
    }
  }

  @Test func `switching branches and back has every handler go on where it stopped`() throws {
    let scripts = [
      "notes": Story.consumer(), "memos": Story.consumer(name: "memos"), "orders": Story.projection("one"),
      "flow": Story.saga("pay", done: "Counted"),
      "counter": Story.decider,
    ]
    let story = try Story(scripts)
    try story.place(30)
    let run = try story.run()
    try story.wait(for: 30, run)
    for round in 0..<2 {
      try story.place(20)
      for name in scripts.keys.shuffled() { try story.remove(name) }
      try story.write("upcaster \"Other\" { [1] = function(data) return data end }", "branch\(round)")
      // What has work left stays at work and is asked to go again, as a person does who sees it.
      try LiveRun.wait("the other branch") {
        _ = try Binary.run(["reload", story.project.path])
        return try story.rows("select count(*) from sys.handlers where name in ('notes', 'memos', 'orders')")
          == ["0"]
      }
      try story.place(20)
      try story.remove("branch\(round)")
      for (name, text) in scripts.shuffled() { try story.write(text, name) }
      for name in ["notes", "memos"] { try story.wait(for: story.placed, of: name, run) }
    }
    try LiveRun.wait("all rows and instances") {
      try story.rows("select (select count(*) from orders), count(*) from sys.events where topic = 'counted'")
        == ["\(story.placed)|\(story.placed)"]
    }
    for name in ["notes", "memos"] { try story.expectOnce(name) }
    #expect(
      try story.rows("select count(distinct key) from sys.events where topic = 'counted'")
        == ["\(story.placed)"])
    #expect(try story.files("archive") == [])
    #expect(run.interrupt() == 0, "\(run.told)")
    let proof = try Binary.run(["projection", "verify", story.project.path, "orders"])
    #expect(proof.status == 0, "\(proof)")
  }
}

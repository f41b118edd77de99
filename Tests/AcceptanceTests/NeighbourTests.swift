import Foundation
import Glibc
import Testing

/// Who else touches a project while it runs: another process, links, a disk that becomes read-only.
@Suite(.serialized) struct NeighbourTests {
  @Test func `a second process is refused and told who holds the project, by whatever way it comes`() throws {
    let project = try ShortageTests.project(events: 50)
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    let pid = "process \(run.process.processIdentifier)"
    let link = FileManager.default.temporaryDirectory.appending(path: "moontide-link-\(UUID().uuidString)")
    try FileManager.default.createSymbolicLink(at: link, withDestinationURL: project.folder)
    defer { Binary.cleanUp(link) }
    func refuse(_ path: String) throws {
      let second = try Binary.run(["run", path, "--once"])
      #expect(second.status == 75, "\(second.errors)")
      #expect(second.errors.contains(pid), "\(second.errors)")
    }
    try refuse(project.path)
    try refuse(link.path)
    // A lock is of a file, not of its name: a new file of that name must not be another lock.
    let lock = project.folder.appending(path: "data/lock")
    try FileManager.default.removeItem(at: lock)
    try refuse(project.path)
    try FileManager.default.removeItem(at: lock)
    let doctor = try Binary.run(["doctor", project.path])
    #expect(doctor.status == 0 && doctor.output.contains("it runs, and answers"), "\(doctor.output)")
    // Without the socket the others cannot ask it, and still do not write beside it.
    try FileManager.default.removeItem(at: project.folder.appending(path: ".moontide/socket"))
    try refuse(project.path)
    #expect(run.interrupt() == 0)
    try project.runOnce()
  }

  @Test(.enabled(if: SmallDisk.isAllowed, "mounting is not allowed here"))
  func `a second process that comes by another mount is refused`() throws {
    let project = try ShortageTests.project(events: 50)
    let other = FileManager.default.temporaryDirectory.appending(path: "moontide-bind-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: other, withIntermediateDirectories: true)
    try #require(mount(project.path, other.path, nil, UInt(MS_BIND), nil) == 0)
    defer {
      umount2(other.path, Int32(MNT_DETACH))
      Binary.cleanUp(other)
    }
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    let second = try Binary.run(["run", other.path, "--once"])
    #expect(
      second.status == 75 && second.errors.contains("\(run.process.processIdentifier)"), "\(second.errors)")
    #expect(run.interrupt() == 0)
  }

  @Test func `a folder of events that leads upwards is told of once, and all the rest is read`() throws {
    let project = try ShortageTests.project(events: 50)
    let events = project.folder.appending(path: "events")
    for (name, target) in [
      ("upwards", events), ("orders/again", events), ("orders/self", events.appending(path: "orders")),
    ] {
      let link = events.appending(path: name)
      try FileManager.default.createDirectory(
        at: link.deletingLastPathComponent(), withIntermediateDirectories: true)
      try FileManager.default.createSymbolicLink(at: link, withDestinationURL: target)
    }
    try project.write(#"{"id":"o","type":"Thing","key":"k1","data":{}}"# + "\n", to: "events/orders/a.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.status == 0)
    let told = run.errors.split(separator: "\n").filter { $0.contains("leads to a folder above it") }
    #expect(told.count == 3, "\(run.errors)")
    #expect(run.errors.contains("ingested 51 events"), "\(run.errors)")
  }

  @Test(.enabled(if: SmallDisk.isAllowed, "mounting a tmpfs is not allowed here"))
  func `on a file system that is mounted read-only everything that reads works or says what to do`() throws {
    let project = try ShortageTests.project(events: 100)
    let disk = try SmallDisk(project.folder.appending(path: "data"), kibibytes: 64 << 10)
    try project.runOnce()
    // As a restored or copied project has it: SQLite then wants to make them.
    for folder in ["handlers", "readmodels"] {
      let url = project.folder.appending(path: "data/\(folder)")
      for name in try FileManager.default.contentsOfDirectory(atPath: url.path)
      where name.hasSuffix("-wal") || name.hasSuffix("-shm") {
        try FileManager.default.removeItem(at: url.appending(path: name))
      }
    }
    try disk.makeReadOnly()
    #expect(
      try Binary.succeed(["query", project.path, "select count(*) from things", "-o", "csv"]).contains("100"))
    for arguments in [
      ["doctor", "--full"], ["events", "verify"], ["check"], ["projection", "verify", "things"],
    ] {
      let outcome = try Binary.run(arguments + ["-C", project.path])
      #expect(outcome.status == 0, "\(arguments): \(outcome.output) \(outcome.errors)")
    }
    for arguments in [["run", "--once"], ["lag"], ["events", "cat"], ["append", "A", "-d", "{}"]] {
      let outcome = try Binary.run(arguments + ["-C", project.path])
      #expect(outcome.status == 2, "\(arguments): \(outcome.output)")
      #expect(
        outcome.errors.contains("mounted read-only: mount it writable"), "\(arguments): \(outcome.errors)")
    }
  }

  @Test func `a run that is stopped, continued and signalled loses nothing and ends in good order`() throws {
    let project = try ShortageTests.project(events: 200)
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    run.signal(SIGSTOP)
    let lines = (0..<100).map { #"{"id":"s\#($0)","type":"Thing","key":"k\#($0)","data":{}}"# + "\n" }
    try project.write(lines.joined(), to: "events/stopped.jsonl")
    run.signal(SIGCONT)
    try ShortageTests.waitUntilDone(project, events: 300)
    run.signal(SIGPIPE)
    // Asks for edited scripts; there are none.
    run.signal(SIGHUP)
    try project.write(#"{"id":"x","type":"Thing","key":"x","data":{}}"# + "\n", to: "events/after.jsonl")
    try ShortageTests.waitUntilDone(project, events: 301)
    run.signal(SIGTERM)
    #expect(run.status() == 0)
    #expect(try Binary.run(["doctor", project.path, "--full"]).status == 0)
  }

  @Test func `write-ahead logs that are gone cost nothing that the log does not bring back`() throws {
    let calm = try ShortageTests.project(events: 300)
    try calm.runOnce()
    let project = try ShortageTests.project(events: 300)
    let run = try LiveRun(["run", project.path])
    try ShortageTests.waitUntilDone(project, events: 300)
    run.signal(SIGKILL)
    #expect(run.status() == -SIGKILL)
    var gone = 0
    for name in ["handlers/echo", "readmodels/things", "readmodels/echoes"] {
      let file = project.folder.appending(path: "data/\(name).sqlite-wal")
      guard FileManager.default.fileExists(atPath: file.path) else { continue }
      try FileManager.default.removeItem(at: file)
      gone += 1
    }
    #expect(gone == 3)
    try project.runOnce()
    #expect(try ShortageTests.rows(project) == ShortageTests.rows(calm))
    let doctor = try Binary.run(["doctor", project.path, "--full"])
    #expect(doctor.status == 0, "\(doctor.output)")
  }
}

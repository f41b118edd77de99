import Foundation
import Testing

/// Real projects whose log was damaged behind their back, and `events repair`.
@Suite(.serialized) struct RepairTests {
  private func project() throws -> TestProject {
    let project = try ShortageTests.project(events: 300)
    try project.runOnce()
    return project
  }

  private func segments(_ project: TestProject) throws -> [URL] {
    let folder = project.folder.appending(path: "data/log/segments")
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map {
      folder.appending(path: $0)
    }
  }

  /// Of all events the position and the id.
  private func events(_ project: TestProject) throws -> Set<[JSONCell]> {
    Set(try project.query("select position, id from sys.events"))
  }

  private func rows(_ outcome: Binary.Outcome) throws -> [[String: Any]] {
    try #require(
      JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]], "\(outcome.output)")
  }

  /// Everything that looks at a project is content with it, and a run goes on.
  private func expectWell(_ project: TestProject) throws {
    let run = try Binary.run(["run", project.path, "--once", "-q"])
    #expect(run.status == 0, "\(run.errors)")
    let verify = try Binary.run(["events", "verify", project.path])
    #expect(verify.status == 0, "\(verify.errors)")
    let doctor = try Binary.run(["doctor", project.path, "--full"])
    #expect(doctor.status == 0, "\(doctor.output) \(doctor.errors)")
    for name in ["things", "echoes"] {
      let fold = try Binary.run(["projection", "verify", project.path, name])
      #expect(fold.status == 0, "\(fold.output)")
    }
  }

  @Test func `damage in the middle costs what it touched, and the rest goes on`() throws {
    let project = try project()
    let before = try events(project)
    let segment = try segments(project)[0]
    var bytes = try Data(contentsOf: segment)
    let middle = bytes.count / 2
    bytes.replaceSubrange(middle..<middle + 700, with: Data(repeating: 0x55, count: 700))
    try bytes.write(to: segment)
    #expect(try Binary.run(["events", "verify", project.path]).status == 2)
    #expect(try Binary.run(["doctor", project.path]).output.contains("events repair"))

    let told = try Binary.run(["events", "repair", project.path, "--json"])
    #expect(told.status == 1 && told.errors.contains("nothing was changed"), "\(told.errors)")
    #expect(try Data(contentsOf: segment) == bytes)
    let lost = try rows(told).filter { $0["what"] as? String == "lost" }
    #expect(lost.count == 1 && (lost[0]["place"] as? String)?.hasPrefix("data/log/segments/") == true)
    #expect(try rows(told).contains { $0["what"] as? String == "read model" })

    let done = try Binary.run(["events", "repair", project.path, "--yes", "--json"])
    #expect(done.status == 0 && done.errors.contains("data/repairs/1"), "\(done.errors)")
    let folder = project.folder.appending(path: "data/repairs/1")
    #expect(try Data(contentsOf: folder.appending(path: segment.lastPathComponent)) == bytes)
    #expect(
      try String(contentsOf: folder.appending(path: "report.txt"), encoding: .utf8).contains("given up"))
    #expect(FileManager.default.fileExists(atPath: folder.appending(path: "things.sqlite").path))
    try expectWell(project)
    let after = try events(project)
    #expect(after.isSubset(of: before) && (1...12).contains(before.count - after.count))
    #expect(try Binary.run(["events", "verify", project.path]).errors.contains("E0506"))
    let again = try Binary.run(["events", "repair", project.path, "--yes"])
    #expect(again.status == 0 && again.errors.contains("nothing to mend"), "\(again.errors)")

    // A copy of the source brings back what it still has.
    try FileManager.default.copyItem(
      at: project.folder.appending(path: "events/things.jsonl"),
      to: project.folder.appending(path: "events/things-again.jsonl"))
    try expectWell(project)
    let ids = Set(try events(project).map { $0[1] })
    #expect(Set(before.map { $0[1] }).subtracting(ids).allSatisfy { !$0.description.hasPrefix("e-") })
  }

  @Test func `what was kept of the past knows nothing of what a repair gives up`() throws {
    let project = try project()
    let count = "select count(*) from sys.events where type = 'Thing'"
    let fold = "select sum(n) from things"
    let whole = try project.query(fold)
    #expect(try project.query(fold, ["--as-of", "now"]) == whole)
    // Older folds than the damage, kept somewhere else and brought back.
    let kept = project.folder.appending(path: ".moontide/as-of")
    let aside = project.folder.appending(path: "aside")
    try FileManager.default.copyItem(at: kept, to: aside)
    let place = try project.query("select position from sys.events where id = 'e-150'")
    let segment = try segments(project)[0]
    var bytes = try Data(contentsOf: segment)
    let found = try #require(bytes.range(of: Data("e-150".utf8)))
    bytes.replaceSubrange(
      found.lowerBound - 40..<found.lowerBound + 40, with: Data(repeating: 0x55, count: 80))
    try bytes.write(to: segment)
    let done = try Binary.run(["events", "repair", project.path, "--yes"])
    #expect(done.status == 0, "\(done.errors)")
    for path in [kept.path, project.folder.appending(path: ".moontide/snapshots").path] {
      let left = FileManager.default.enumerator(atPath: path)?.allObjects as? [String] ?? []
      #expect(left.filter { $0.contains(".") } == [], "\(left)")
    }
    #expect(!FileManager.default.fileExists(atPath: project.folder.appending(path: ".moontide/census").path))
    try project.runOnce()
    let live = try project.query(fold)
    #expect(live != whole, "something was lost")
    for moment in ["--as-of", "--as-known"] { #expect(try project.query(fold, [moment, "now"]) == live) }
    #expect(try project.query(count, ["--as-of", "now"]) == project.query(count))
    try FileManager.default.removeItem(at: kept)
    try FileManager.default.copyItem(at: aside, to: kept)
    for moment in ["--as-of", "--as-known"] { #expect(try project.query(fold, [moment, "now"]) == live) }
    let gap = try Binary.run(["query", project.path, fold, "--as-of", "#\(place[0][0])"])
    #expect(gap.status == 2 && gap.errors.contains("E0612"), "\(gap.errors)")
  }

  @Test func `one flipped bit costs nothing`() throws {
    let project = try project()
    let before = try events(project)
    let segment = try segments(project)[0]
    let whole = try Data(contentsOf: segment)
    for byte in [3, 70, 90, whole.count / 3, whole.count / 2] {
      var bytes = whole
      bytes[byte] ^= 0x10
      try bytes.write(to: segment)
      let done = try Binary.run(["events", "repair", project.path, "--yes"])
      #expect(done.status == 0 && done.errors.contains("1 bit put right"), "byte \(byte): \(done.errors)")
      #expect(try Data(contentsOf: segment) == whole, "byte \(byte)")
    }
    try expectWell(project)
    #expect(try events(project) == before)
  }

  @Test func `a log that was cut before its checkpoint goes on behind all that handlers have seen`() throws {
    let project = try project()
    let before = try events(project)
    let segment = try segments(project)[0]
    let bytes = try Data(contentsOf: segment)
    try bytes.dropLast(9_000).write(to: segment)
    let refused = try Binary.run(["run", project.path, "--once"])
    #expect(refused.status == 2 && refused.errors.contains("was durable up to"), "\(refused.errors)")
    #expect(refused.errors.contains("events repair"), "\(refused.errors)")
    let done = try Binary.run(["events", "repair", project.path, "--yes"])
    #expect(done.status == 0, "\(done.errors)")
    #expect(done.output.contains("consumer"), "\(done.output)")
    try expectWell(project)
    try project.write(
      #"{"id":"later","type":"Thing","key":"k1","data":{}}"# + "\n", to: "events/later.jsonl")
    try expectWell(project)
    let after = try events(project)
    #expect(after.contains { $0[1].description == "later" })
    let end = before.compactMap { Int($0[0].description) }.max() ?? 0
    let added = after.subtracting(before).compactMap { Int($0[0].description) }
    #expect(!added.isEmpty && added.allSatisfy { $0 > end }, "\(added) behind \(end)")
  }

  @Test func `a repair waits for nobody: a project that runs is refused with its pid`() throws {
    let project = try project()
    let run = try LiveRun(["run", project.path])
    try run.waitForError("caught up")
    let refused = try Binary.run(["events", "repair", project.path])
    #expect(refused.status == 75 && refused.errors.contains("\(run.process.processIdentifier)"))
    run.process.interrupt()
    run.process.waitUntilExit()
    let sound = try Binary.run(["events", "repair", project.path])
    #expect(sound.status == 0 && sound.errors.contains("nothing to mend"), "\(sound.errors)")
  }
}

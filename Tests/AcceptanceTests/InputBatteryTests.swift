import Foundation
import Testing

/// What may lie under `events/`, met by the binary as it is built: files that change while they are read,
/// lines that are none, files that are none.
@Suite(.serialized) struct InputBatteryTests {
  private static func line(_ id: String, _ data: String = "{}") -> String {
    #"{"id":"\#(id)","type":"A","key":"k","data":\#(data)}"# + "\n"
  }

  @Test func `bad lines of every kind are set aside, and all good ones are taken`() throws {
    let project = try TestProject()
    let bad: [[UInt8]] = [
      [0xEF, 0xBB, 0xBF] + Array(#"{"id":"x","type":"A","data":{}}"#.utf8),
      Array("{\"id\":\"x\",\"type\":\"A\",\"data\":{\"s\":\"\u{0}\"}}".utf8), [0, 1, 2, 0xFE, 0xFF], [0xFF],
      Array(#"{"id":"x","type":"A","data":{},}"#.utf8), Array(#"{"id":"x","type":"A"}"#.utf8),
      Array(#"{"type":"A","data":{}}"#.utf8), Array(#"{"id":7,"type":"A","data":{}}"#.utf8),
      Array(#"{"id":"x","type":"A","data":[]}"#.utf8), Array("[1,2]".utf8), Array("null".utf8),
      Array(#"{"id":"x","type":"A","data":{}} {"id":"y","type":"A","data":{}}"#.utf8),
      Array(#"{"id":"x","type":"A","time":"yesterday","data":{}}"#.utf8),
      Array(#"{"id":"x","type":"A","data":{"n":99999999999999999999}}"#.utf8),
      Array(#"{"id":"x","type":"A","data":{"n":01}}"#.utf8), Array(#"{"id":"x","#.utf8),
      Array(String(repeating: "[", count: 200_000).utf8),
      Array(#"{"id":"good-0","type":"A","key":"k","data":{"other":1}}"#.utf8),
    ]
    var bytes: [UInt8] = []
    for (index, line) in bad.enumerated() {
      // CRLF, blank lines and a repeat are no trouble.
      bytes += Array(Self.line("good-\(index)").dropLast().utf8) + [13, 10, 13, 10, 10, 32, 10]
      bytes += line + [10] + Array(Self.line("good-\(index)").utf8)
    }
    try Data(bytes).write(to: project.folder.appending(path: "events/a.jsonl"))
    try project.write("\u{FEFF}" + Self.line("x"), to: "events/b.jsonl")
    try project.write(Self.line("last"), to: "events/c.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.status == 0, "\(run.errors)")
    #expect(run.errors.contains("\(bad.count + 1) quarantined"), "\(run.errors.suffix(400))")
    let rows = try project.query("select count(*), count(distinct id) from sys.events")
    #expect(rows == [[JSONCell("\(bad.count + 1)"), JSONCell("\(bad.count + 1)")]], "\(rows)")
    // Another run finds nothing new, and a strict one stops at once.
    let again = try Binary.run(["run", project.path, "--once"])
    #expect(again.status == 0 && again.errors.contains("ingested 0 events"), "\(again.errors)")
    try project.write("rubbish\n" + Self.line("behind"), to: "events/d.jsonl")
    let strict = try Binary.run(["run", project.path, "--once", "--strict"])
    #expect(strict.status == 65 && strict.errors.contains("events/d.jsonl:1"), "\(strict.errors)")
  }

  @Test func `a line of a hundred megabytes takes little memory`() throws {
    let project = try TestProject()
    let url = project.folder.appending(path: "events/a.jsonl")
    try Self.line("a").write(to: url, atomically: true, encoding: .utf8)
    let file = try FileHandle(forWritingTo: url)
    try file.seekToEnd()
    try file.write(contentsOf: Data(#"{"id":"long","type":"A","data":{"s":""#.utf8))
    let megabyte = Data(repeating: UInt8(ascii: "x"), count: 1 << 20)
    for _ in 0..<100 { try file.write(contentsOf: megabyte) }
    try file.write(contentsOf: Data((#""}}"# + "\n" + Self.line("b")).utf8))
    try file.close()
    let calm = try TestProject()
    try calm.write(Self.line("a"), to: "events/a.jsonl")
    let usual = try Binary.peakBytes(["run", calm.path, "--once", "-q"])
    let peak = try Binary.peakBytes(["run", project.path, "--once", "-q"])
    print("a line of 100 MB: \(peak >> 20) MiB at most, \(usual >> 20) MiB without it")
    #expect(peak < usual + 24 << 20, "\(peak) bytes, \(usual) without that line")
    #expect(try project.query("select id from sys.events") == [[JSONCell("a")], [JSONCell("b")]])
  }

  @Test func `what is no file of events does not keep others from being read`() throws {
    let project = try TestProject()
    for name in ["a.jsonl", "m/a.jsonl", "z.jsonl"] {
      try project.write(Self.line(name), to: "events/\(name)")
    }
    let events = project.folder.appending(path: "events").path
    let files = FileManager.default
    #expect(mkfifo("\(events)/b.jsonl", 0o644) == 0)
    try files.createSymbolicLink(atPath: "\(events)/c.jsonl", withDestinationPath: "/nowhere")
    try files.createSymbolicLink(atPath: "\(events)/d.jsonl", withDestinationPath: "d.jsonl")
    try files.createSymbolicLink(atPath: "\(events)/e.jsonl", withDestinationPath: "/dev/zero")
    try files.createDirectory(atPath: "\(events)/f.jsonl", withIntermediateDirectories: true)
    try project.write("", to: "events/g.jsonl")
    try project.write("no gzip", to: "events/h.jsonl.gz")
    let run = try Binary.run(["run", project.path, "--once"], deadline: .seconds(10))
    #expect(run.status == 0 && run.errors.contains("ingested 3 events"), "\(run.errors)")
    for name in ["b", "d", "e"] { #expect(run.errors.contains("events/\(name).jsonl "), "\(run.errors)") }
  }

  @Test func `files that are appended, cut, rotated, replaced and deleted under a running process`() throws {
    let project = try TestProject()
    let events = project.folder.appending(path: "events")
    let (one, two) = (events.appending(path: "a.jsonl"), events.appending(path: "b.jsonl"))
    try project.write(Self.line("1"), to: "events/a.jsonl")
    let process = try Binary.start(["run", project.path, "-q"])
    defer {
      process.terminate()
      process.waitUntilExit()
    }
    try wait(project, for: 1)
    // Half a line waits for the rest.
    let file = try FileHandle(forWritingTo: one)
    try file.seekToEnd()
    try file.write(contentsOf: Data((Self.line("2") + Self.line("3").dropLast(9)).utf8))
    try wait(project, for: 2)
    try file.write(contentsOf: Data(Self.line("3").suffix(9).utf8))
    try wait(project, for: 3)
    // Rotated: the old one gets a last line under its new name.
    try FileManager.default.moveItem(at: one, to: two)
    try Self.line("4").write(to: one, atomically: false, encoding: .utf8)
    try wait(project, for: 4)
    try file.write(contentsOf: Data(Self.line("5").utf8))
    try wait(project, for: 5)
    // Cut to nothing and filled anew, through the same descriptor.
    try file.truncate(atOffset: 0)
    try file.write(contentsOf: Data(Self.line("6").utf8))
    try wait(project, for: 6)
    // Replaced by rename, then deleted.
    try Self.line("7").write(to: one, atomically: true, encoding: .utf8)
    try wait(project, for: 7)
    try FileManager.default.removeItem(at: one)
    try FileManager.default.removeItem(at: two)
    try project.write(Self.line("8"), to: "events/c.jsonl")
    try wait(project, for: 8)
    let ids = try project.query("select id from sys.events order by position").map { $0[0].description }
    #expect(ids == (1...8).map { "\($0)" })
  }

  /// Asks the running process, each time a process of its own, until it has so many events.
  private func wait(_ project: TestProject, for count: Int, line: Int = #line) throws {
    var found = ""
    for _ in 0..<100 {
      let outcome = try Binary.run(["query", project.path, "select count(*) from sys.events", "-o", "csv"])
      found = outcome.output.split(whereSeparator: \.isNewline).last.map(String.init) ?? outcome.errors
      if found == "\(count)" { return }
    }
    throw Fault("line \(line): \(found) events, not \(count)")
  }
}

import Foundation
import Testing

/// What a person meets in the first hour, with the binary as it is built.
@Suite(.serialized) struct StrangerTests {
  private static func line(_ id: String, _ type: String = "A", key: String = "k", data: String = "{}")
    -> String
  {
    #"{"id":"\#(id)","type":"\#(type)","key":"\#(key)","time":"2026-03-02T08:12:40Z","data":\#(data)}"# + "\n"
  }

  @Test func `a folder that is no project is refused and left as it is`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "moontide-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { Binary.cleanUp(folder) }
    for arguments in [
      ["query", folder.path, "select 1"], ["run", folder.path, "--once"], ["lag", folder.path],
      ["append", "A", "-d", "{}", "-C", folder.path], ["handlers", folder.path], ["doctor", folder.path],
    ] {
      let outcome = try Binary.run(arguments)
      #expect(outcome.status == 2 && outcome.errors.contains("error[E0602]: no project at"), "\(arguments)")
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
  }

  @Test func `check tells all problems at once, each with place and help`() throws {
    let project = try TestProject()
    try project.write(
      "projection \"a\" { schema = [[create table t(id text primary key)]], onn = { A = print } }\n",
      to: "handlers/a.lua")
    try project.write("projection \"b\" {\n  on = { A = print\n  B = print },\n}\n", to: "handlers/b.lua")
    try project.write(
      """
      projection "c" {
        schema = [[
          create table t(id text primary key, customer text);
          create index i on t(custmer);
        ]],
        on = { A = print },
      }
      """, to: "handlers/c.lua")
    try project.write(
      "projection \"d\" { schema = \"create tabel t(id text primary key)\", on = { A = print } }\n",
      to: "handlers/d.lua")
    for name in ["e", "f"] {
      try project.write(
        "consumer \"twice\" { on = { A = print }, from = \"start\" }\n", to: "handlers/\(name).lua")
    }
    try project.write("return { budgett = {}, flush = \"often\" }\n", to: "moontide.lua")
    let outcome = try Binary.run(["check", project.path])
    #expect(outcome.status == 2)
    let problems = outcome.errors.components(separatedBy: "\n\n")
    let expected = [
      ("E0110", "moontide.lua:1:10", "did you mean `budget`?"),
      ("E0112", "moontide.lua:1:32", "moontide explain E0112"),
      ("E0110", "handlers/a.lua:1:68", "did you mean `on`?"),
      ("E0101", "handlers/b.lua:3:3", "moontide explain E0101"),
      ("E0118", "handlers/c.lua:4:25", "did you mean `customer`?"),
      ("E0118", "handlers/d.lua:1:35", "moontide explain E0118"),
      ("E0115", "handlers/f.lua:1:10", "rename one of them"),
    ]
    #expect(problems.count == expected.count, "\(outcome.errors)")
    for ((code, place, help), problem) in zip(expected, problems) {
      #expect(problem.hasPrefix("error[\(code)]:"), "\(problem)")
      #expect(problem.contains("--> \(place)\n"), "\(problem)")
      #expect(problem.contains("^") && problem.contains("= help: \(help)"), "\(problem)")
    }
  }

  @Test func `dead letters are grouped by their place, and shown with the event's data`() throws {
    let project = try TestProject()
    try project.write(
      "consumer \"c\" { on = { A = function(event) error(\"no \" .. event.id) end }, from = \"start\",\n"
        + "  retry = { attempts = 1 } }\n", to: "handlers/c.lua")
    try project.write(
      (1...5).map { Self.line("a-\($0)", key: "k-\($0)", data: #"{"amount":\#($0)}"#) }.joined()
        + "rubbish\nmore rubbish\n", to: "events/a.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.errors.contains("consumer c: 0 applied, 5 dead"), "\(run.errors)")
    #expect(run.errors.contains("warning: 5 dead letters, 2 quarantined lines"), "\(run.errors)")
    let rows = try Binary.succeed(["dead", "ls", project.path, "-o", "csv"]).split(
      whereSeparator: \.isNewline)
    #expect(rows.count == 3, "\(rows)")
    #expect(
      rows.dropFirst().first?.contains(",c,E0301,no a-1,handlers/c.lua:1,5,5,0,d-0,") == true, "\(rows)")
    #expect(rows.last?.contains(",ingest,E0201,") == true && rows.last?.contains(",2,0,0,d-5,") == true)
    let letter = try Binary.succeed(["dead", "show", project.path, "d-2"])
    #expect(letter.contains(#"data = {"amount":3}"#), "\(letter)")
  }

  @Test func `a field that no event has is told once, one that some have is not`() throws {
    let project = try TestProject()
    try project.write(
      """
      consumer "c" {
        on = { A = function(event) local a, b = event.data.custmer, event.data.note end }, from = "start",
      }
      """, to: "handlers/c.lua")
    try project.write(
      Self.line("1", data: #"{"customer":1}"#) + Self.line("2", data: #"{"customer":1,"note":2}"#),
      to: "events/a.jsonl")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(run.status == 0)
    #expect(run.errors.components(separatedBy: "warning[E0330]").count == 2, "\(run.errors)")
    #expect(run.errors.contains("no event of type A has a field `custmer`"), "\(run.errors)")
    #expect(run.errors.contains("= help: did you mean `customer`?"), "\(run.errors)")
  }

  @Test func `another number of partitions is refused before anything runs`() throws {
    let project = try TestProject()
    try project.write(Self.line("1"), to: "events/orders/a.jsonl")
    try project.runOnce()
    try project.write("return { topics = { orders = { partitions = 3 } } }", to: "moontide.lua")
    let run = try Binary.run(["run", project.path, "--once"])
    #expect(
      run.status == 2 && run.errors.contains("error[E0614]: topic orders was made with 8"), "\(run.errors)")
    let doctor = try Binary.run(["doctor", project.path, "-o", "csv"])
    #expect(doctor.status == 1 && doctor.output.contains("settings,WRONG,"), "\(doctor.output)")
    #expect(doctor.output.contains("1 record up to #1"), "\(doctor.output)")
  }

  @Test func `doctor finds a project that runs in order`() throws {
    let project = try TestProject()
    try project.write(Self.line("1"), to: "events/a.jsonl")
    try project.write(
      "consumer \"c\" { on = { A = function(event) end }, from = \"start\" }\n", to: "handlers/c.lua")
    let process = try Binary.start(["run", project.path, "-q"])
    defer { process.waitUntilExit() }
    defer { process.interrupt() }
    var handlers = ""
    while process.isRunning, !handlers.contains("\"applied\":1") {
      handlers = try Binary.run(["handlers", project.path, "--json"]).output
    }
    #expect(handlers.contains("\"state\":\"running\""), "\(handlers)")
    let doctor = try Binary.run(["doctor", project.path])
    #expect(doctor.status == 0, "\(doctor.output)\(doctor.errors)")
    #expect(doctor.output.contains("it runs, and answers"), "\(doctor.output)")
    #expect(doctor.output.contains("1 published = 1 applied, 0 before it"), "\(doctor.output)")
  }

  @Test func `what is in a text stays when an event is appended`() throws {
    let project = try TestProject()
    let data = "{\n \"note\": \"one\u{2028}two\u{85}three\" }"
    try Binary.succeed(["append", "A", "-d", data, "-C", project.path])
    let row = try Binary.succeed(["query", project.path, "select data from sys.events", "-o", "jsonl"])
    #expect(row.contains("one\u{2028}two\u{85}three") || row.contains("one\\u2028two"), "\(row)")
  }

  @Test func `a query's own mistakes are helped with`() throws {
    let project = try TestProject()
    let folder = try Binary.run(["query", project.path])
    #expect(
      folder.status == 64 && folder.errors.contains("is a folder: what is to be asked"), "\(folder.errors)")
  }
}

import Foundation
import Testing

/// `projection diff` where something is in its way, and what it says of schemas and failures.
@Suite(.serialized) struct DiffEdgeTests {
  private static let events = (1...20).map { number in
    #"{"id":"e-\#(number)","type":"OrderPlaced","key":"o-\#(number % 7)","data":{"n":\#(number)}}"# + "\n"
  }.joined()

  private static func script(
    _ name: String = "orders", more: String = "", schema: String = "", body: String = "",
    value: String = "event.data.n"
  ) -> String {
    """
    projection "\(name)" { \(more)
      schema = [[ create table orders(id text primary key, n integer); \(schema) ]],
      on = { OrderPlaced = function(event, db)
        \(body)
        db.orders:put { id = event.key, n = \(value) }
      end },
    }
    """
  }

  private static func project(_ script: String = script()) throws -> TestProject {
    let project = try TestProject()
    try project.write(events, to: "events/orders.jsonl")
    try project.write(script, to: "handlers/orders.lua")
    try project.runOnce()
    return project
  }

  private static func diff(
    _ project: TestProject, with script: String?, _ more: [String] = []
  ) throws -> Binary.Outcome {
    var words = ["projection", "diff", project.path, "orders"] + more
    if let script {
      try project.write(script, to: "edited.lua")
      words += ["--with", project.path + "/edited.lua"]
    }
    return try Binary.run(words)
  }

  /// The rows of a comparison that found something, as `change table.column rows`.
  private static func changes(_ project: TestProject, with script: String) throws -> [String] {
    let outcome = try diff(project, with: script, ["--json"])
    #expect(outcome.status == 1, "\(outcome.errors)")
    let rows = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]]
    return try #require(rows).filter { !"\($0["change"] ?? "")".hasPrefix("value") }.map { row in
      let names = ["table", "column"].compactMap { row[$0] as? String }.joined(separator: ".")
      return ["\(row["change"] ?? "")", names, row["rows"].map { $0 is NSNull ? "" : "\($0)" } ?? ""]
        .filter { !$0.isEmpty }.joined(separator: " ")
    }
  }

  /// Every file below a folder, with its bytes.
  private static func contents(_ folder: URL) throws -> [String: Data] {
    var found: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: folder.path) {
      found[name] = FileManager.default.contents(atPath: folder.appending(path: name).path)
    }
    return found
  }

  private static func scratch(_ project: TestProject) throws -> [String] {
    try FileManager.default.contentsOfDirectory(
      atPath: project.folder.appending(path: ".moontide/scratch").path
    )
    .filter { $0 != "door" }
  }

  @Test func `nothing of the project changes and nothing is left`() throws {
    let project = try Self.project()
    let before = try Self.contents(project.folder.appending(path: "data"))
    let outcome = try Self.diff(project, with: Self.script(value: "event.data.n + 1"))
    #expect(outcome.status == 1)
    #expect(outcome.output.contains("n: 7 changed"), "\(outcome.output)")
    #expect(outcome.output.contains("'o-1': 15 → 16  after #0 "), "\(outcome.output)")
    #expect(outcome.output.contains("… 2 more"), "\(outcome.output)")
    #expect(try Self.contents(project.folder.appending(path: "data")) == before)
    #expect(try Self.scratch(project).isEmpty)
  }

  @Test func `it works beside a run, which goes on`() throws {
    let project = try Self.project()
    let run = try LiveRun(["run", project.path])
    try LiveRun.wait("a run that answers") { try Binary.run(["lag", project.path]).status == 0 }
    for round in 1...3 {
      let event = #"{"id":"x-\#(round)","type":"OrderPlaced","key":"x-\#(round)","data":{"n":1}}"# + "\n"
      let file = try FileHandle(forWritingTo: project.folder.appending(path: "events/orders.jsonl"))
      try file.seekToEnd()
      try file.write(contentsOf: Data(event.utf8))
      try file.close()
      try LiveRun.wait("the event") {
        try project.query("select count(*) from orders") == [[JSONCell("\(7 + round)")]]
      }
      let outcome = try Self.diff(project, with: Self.script(value: "event.data.n + 1"))
      #expect(outcome.status == 1, "\(outcome.errors)")
      #expect(outcome.output.contains("n: \(7 + round) changed"), "\(outcome.output)")
    }
    #expect(try project.query("select n from orders where id = 'x-1'") == [[JSONCell("1")]])
    #expect(run.interrupt() == 0)
  }

  @Test func `a killed comparison is swept by the next, and two at once do not meet`() throws {
    let project = try Self.project()
    let slow = Self.script(
      body: "local n = 0; for i = 1, 4000000 do n = n + i % 3 end", value: "event.data.n + 1")
    try project.write(slow, to: "slow.lua")
    let words = ["projection", "diff", project.path, "orders", "--with", project.path + "/slow.lua"]
    let killed = try Binary.start(words)
    try LiveRun.wait("a file of the comparison") {
      guard killed.isRunning else { throw Fault("it ended before it could be killed") }
      let folder = project.folder.appending(path: ".moontide/scratch")
      guard FileManager.default.fileExists(atPath: folder.path) else { return false }
      return try Self.scratch(project).contains { $0.hasSuffix("new.sqlite") }
    }
    // One that lives keeps its files.
    let beside = try Self.diff(project, with: Self.script(value: "event.data.n + 2"))
    #expect(beside.status == 1, "\(beside.errors)")
    #expect(killed.isRunning, "it was to be slower than this")
    #expect(try Self.scratch(project).contains { $0.hasSuffix("new.sqlite") })
    kill(killed.processIdentifier, SIGKILL)
    killed.waitUntilExit()
    #expect(try !Self.scratch(project).isEmpty, "a kill leaves its files")
    let again = try Self.diff(project, with: Self.script(value: "event.data.n + 1"))
    #expect(again.status == 1, "\(again.errors)")
    #expect(try Self.scratch(project).isEmpty)
    try Binary.succeed(["projection", "verify", project.path, "orders"])
  }

  @Test func `what does not load, or does not define it, is told`() throws {
    let project = try Self.project()
    let broken = try Self.diff(project, with: "projection \"orders\" {")
    #expect(broken.status == 2)
    #expect(broken.errors.contains("--> edited.lua:1"), "\(broken.errors)")
    let badSchema = try Self.diff(project, with: Self.script(schema: "create tabel x(y);"))
    #expect(badSchema.status == 2)
    #expect(badSchema.errors.contains("tabel"), "\(badSchema.errors)")
    let other = try Self.diff(project, with: Self.script("invoices"))
    #expect(other.status == 2)
    #expect(other.errors.contains("E0645") && other.errors.contains("was = \"orders\""), "\(other.errors)")
    let missing = try Binary.run(["projection", "diff", project.path, "orders", "--with", "nowhere.lua"])
    #expect(missing.status == 2)
    #expect(missing.errors.contains("nowhere.lua"), "\(missing.errors)")
    let misspelt = try Binary.run(["projection", "diff", project.path, "order"])
    #expect(misspelt.status == 2)
    #expect(misspelt.errors.contains("did you mean orders?"), "\(misspelt.errors)")
    let many = try Binary.run(["projection", "diff", project.path, "orders", "--samples", "10001"])
    #expect(many.status == 64)
  }

  @Test func `the same script, and a renamed one, change nothing`() throws {
    let project = try Self.project()
    let same = try Self.diff(project, with: "-- a comment\n" + Self.script())
    #expect(same.status == 0)
    #expect(same.errors.contains("nothing to compare"), "\(same.errors)")
    let renamed = try Self.diff(project, with: Self.script("sold", more: "was = \"orders\","))
    #expect(renamed.status == 0, "\(renamed.output)")
    #expect(renamed.errors.contains("sold stays as it is up to #20: 7 rows in 1 table"), "\(renamed.errors)")
    try project.write(
      Self.script("sold", more: "was = \"orders\",", value: "event.data.n + 1"), to: "handlers/orders.lua")
    for name in ["orders", "sold"] {
      let outcome = try Binary.run(["projection", "diff", project.path, name])
      #expect(outcome.status == 1, "\(outcome.errors)")
      #expect(outcome.output.contains("orders → sold"), "\(outcome.output)")
      #expect(outcome.output.contains("n: 7 changed"), "\(outcome.output)")
    }
  }

  @Test func `a schema that changes is told apart from rows that do`() throws {
    let more = """
      create table gone(x integer); create table keyed(a integer primary key, b integer);
      create table typed(id text primary key, n integer); create view v as select id from orders;
      """
    let writes = """
      db.gone:put { x = event.data.n }
      db.keyed:put { a = event.data.n, b = event.data.n % 3 }
      db.typed:put { id = event.key, n = event.data.n }
      """
    let project = try Self.project(Self.script(schema: more, body: writes))
    let edited = """
      create table fresh(x integer); create table keyed(a integer, b integer primary key);
      create table typed(id text primary key, n text); create view v as select id from orders where n > 14;
      create view w as select 1 as one;
      """
    let changes = try Self.changes(
      project,
      with: Self.script(
        schema: edited, body: writes.replacingOccurrences(of: "db.gone", with: "db.fresh")))
    #expect(
      changes.filter { !$0.hasPrefix("row ") } == [
        "key changed keyed", "rows removed keyed 17",
        "table redefined typed", "rows changed typed 7", "rows changed typed.n 7",
        "table redefined v", "rows removed v 1",
        "table added fresh 20", "table added w 0", "table removed gone 20",
      ])
  }

  @Test func `dead letters that come, go and change are told, and where a version halts`() throws {
    let old = Self.script(body: "if event.data.n % 5 == 0 then error('five') end")
    let project = try Self.project(old)
    let edited =
      "if event.data.n % 10 == 0 then error('ten') elseif event.data.n == 3 then error('three') end"
    let outcome = try Self.diff(project, with: Self.script(body: edited))
    #expect(outcome.status == 1)
    for text in [
      "set aside by the new version: 1\n    #2 ", "E0301: three", "no longer set aside: 2\n    #4 ",
      "set aside for another reason: 2\n    #9 ", "E0301: five → E0301: ten",
    ] { #expect(outcome.output.contains(text), "\(text) in \(outcome.output)") }
    let halting = try Self.diff(project, with: Self.script(more: "exhausted = \"halt\",", body: edited))
    #expect(halting.status == 1, "\(halting.errors)")
    #expect(halting.output.contains("both up to #3\n"), "\(halting.output)")
    #expect(halting.output.contains("the new version halts"), "\(halting.output)")
  }

  @Test func `rows that come, go and come again, and equal rows without a key, are dated right`() throws {
    let body = { (part: Int, last: Int) in
      """
      db.log:put { k = event.data.n <= \(last) and event.data.n % 3 or event.data.n % 2 }
      if event.data.n % \(part) == 0 then db.orders:delete(event.key) return end
      """
    }
    let schema = "create table log(k integer);"
    let project = try Self.project(Self.script(schema: schema, body: body(5, 20)))
    let outcome = try Self.diff(
      project, with: Self.script(schema: schema, body: body(4, 14)), ["--json", "--samples", "100"])
    let rows = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]] ?? []
    // The same in Swift: what either side has after each event.
    var (orders, logs) = ([[String: Int]](repeating: [:], count: 2), [[Int: Int]](repeating: [:], count: 2))
    var (rowFirsts, logFirsts) = ([String: Int](), [Int: Int]())
    for number in 1...20 {
      let key = "o-\(number % 7)"
      for (side, (part, last)) in [(5, 20), (4, 14)].enumerated() {
        logs[side][number <= last ? number % 3 : number % 2, default: 0] += 1
        orders[side][key] = number % part == 0 ? nil : number
      }
      if orders[0][key] != orders[1][key] { rowFirsts[key] = rowFirsts[key] ?? number - 1 }
      for k in 0..<3 where logs[0][k] != logs[1][k] { logFirsts[k] = logFirsts[k] ?? number - 1 }
    }
    var expected: [String] = []
    for key in Set(orders[0].keys).union(orders[1].keys) where orders[0][key] != orders[1][key] {
      let change =
        orders[0][key] == nil ? "row added" : orders[1][key] == nil ? "row removed" : "value changed"
      expected.append("\(change) \(key) \(rowFirsts[key] ?? -1)")
    }
    for k in 0..<3 {
      let more = (logs[1][k] ?? 0) - (logs[0][k] ?? 0)
      let line = "\(more > 0 ? "row added" : "row removed") {\"k\":\(k)} \(logFirsts[k] ?? -1)"
      expected += Array(repeating: line, count: abs(more))
    }
    let told = rows.filter { $0["rows"] is NSNull }.map { row -> String in
      let key = row["table"] as? String == "orders" ? row["key"] : row["new"] as? String ?? row["old"]
      return "\(row["change"] ?? "") \(key ?? "") \(row["first_position"] ?? "")"
    }
    #expect(expected.count > 5)
    #expect(told.sorted() == expected.sorted())
  }

  @Test func `without a log, or a read model, it says what to do`() throws {
    let project = try TestProject()
    try project.write(Self.script(), to: "handlers/orders.lua")
    let alone = try Self.diff(project, with: nil)
    #expect(alone.status == 2)
    #expect(alone.errors.contains("moontide run"), "\(alone.errors)")
    let empty = try Self.diff(project, with: Self.script(value: "1"))
    #expect(empty.status == 2)
    #expect(empty.errors.contains("the log is empty"), "\(empty.errors)")
    try project.write(Self.events, to: "events/orders.jsonl")
    try project.runOnce()
    try FileManager.default.removeItem(at: project.folder.appending(path: "data/readmodels"))
    let folded = try Self.diff(project, with: Self.script(value: "1"))
    #expect(folded.status == 1, "\(folded.errors)")
    #expect(folded.output.contains("n: 7 changed"), "\(folded.output)")
  }
}

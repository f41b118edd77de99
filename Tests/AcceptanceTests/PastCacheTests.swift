import Foundation
import Testing

/// What questions about the past keep is used when it fits, and never when it does not.
@Suite(.serialized) struct PastCacheTests {
  /// Sales of a few customers, a minute apart; every tenth comes into the log nine lines late.
  static func sales(_ range: Range<Int>) -> [String] {
    var lines = range.map { n in
      let (hour, minute) = (n / 60 % 24, n % 60)
      let day = 1 + n / 1_440
      let time = "2024-03-\(two(day))T\(two(hour)):\(two(minute)):00Z"
      return #"{"id":"s-\#(n)","type":"Sold","key":"c-\#(n % 7)","time":"\#(time)","#
        + #""data":{"cents":\#(n),"note":"\#(n % 3 == 0 ? "blue" : "red") lantern \#(n)"}}"#
    }
    for index in stride(from: 0, to: lines.count - 9, by: 10) {
      lines.insert(lines.remove(at: index), at: index + 9)
    }
    return lines
  }

  static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

  static func time(_ n: Int) -> String {
    "2024-03-\(two(1 + n / 1_440))T\(two(n / 60 % 24)):\(two(n % 60)):00Z"
  }

  static func handler(factor: Int = 1) -> String {
    """
    projection "sums" {
      schema = [[
        create table customers(id text primary key, cents integer, sales integer);
        create virtual table notes using fts5(sale unindexed, customer unindexed, note);
        create view large as select * from customers where cents > 1000;
      ]],
      on = { Sold = function(event, db)
        db.customers:add(event.key, { cents = event.data.cents * \(factor), sales = 1 })
        db.notes:put { sale = event.id, customer = event.key, note = event.data.note }
      end },
    }
    """
  }

  private static let names = """
    projection "names" {
      schema = [[create table names(id text primary key, name text);]],
      on = { Sold = function(event, db)
        local name = "N" .. event.data.cents
        if not db.names:get(event.key) then db.names:put { id = event.key, name = name } end
      end },
    }
    """

  static func project(_ lines: [String]) throws -> TestProject {
    let project = try TestProject()
    try project.write(handler(), to: "handlers/sums.lua")
    try project.write(names, to: "handlers/names.lua")
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/sales.jsonl")
    try project.runOnce(["--fail-on-dead"])
    return project
  }

  private static func folds(_ project: TestProject, _ name: String = "sums") throws -> [String] {
    let folder = project.folder.appending(path: ".moontide/as-of/folds/\(name)")
    return try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sqlite") }
  }

  static let sums = "select id, cents, sales from customers order by 1"

  /// What `sums` gives when the sales of these numbers are in.
  static func expected(_ numbers: some Sequence<Int>, factor: Int = 1) -> [[JSONCell]] {
    Dictionary(grouping: numbers, by: { $0 % 7 }).sorted { $0.key < $1.key }.map { key, all in
      [JSONCell("c-\(key)"), JSONCell("\(all.reduce(0, +) * factor)"), JSONCell("\(all.count)")]
    }
  }

  @Test
  func `late events count, joins and search and views are of the moment, and only what is named is folded`()
    throws
  {
    let project = try Self.project(Self.sales(0..<500))
    let past = ["--as-of", Self.time(250)]
    #expect(try project.query(Self.sums, past) == Self.expected(0...250))
    #expect(throws: (any Error).self, "names was not asked for") { try Self.folds(project, "names") }
    let joined = try project.query(
      """
      select n.name, count(*) from names.names n join sums.notes s on s.customer = n.id
      where s.note match 'blue' group by 1 order by 1
      """, past)
    let blue = Dictionary(grouping: (0...250).filter { $0 % 3 == 0 }, by: { $0 % 7 })
    // The first sale of customer 0 came late; the first in the log was its second.
    #expect(
      joined.map { $0[1] }
        == joined.map { row in
          let key = (Int(row[0].description.dropFirst()) ?? -1) % 7
          return JSONCell("\(blue[key]?.count ?? 0)")
        })
    #expect(joined.count == 7)
    #expect(try project.query("select count(*) from large", past) == [[JSONCell("7")]])
    let events = try project.query("select count(*), max(time) from sys.events", past)
    #expect(events == [[JSONCell("251"), JSONCell(Self.time(250))]])
    // The last line before #10 is sale 0, which came late.
    let known = try project.query(
      "select id from sys.events order by position desc limit 1", ["--as-known", "#9"])
    #expect(known == [[JSONCell("s-0")]])
  }

  @Test func `a moment is an instant, a day, a position or an offset, and is told on stderr`() throws {
    let project = try Self.project(Self.sales(0..<2_000))
    let place = try project.query(
      "select topic, partition, \"offset\", time from sys.events where position = 700")
    let at = "\(place[0][0])/\(place[0][1])@\(place[0][2])"
    for moment in [at, "#700", place[0][3].description] {
      let outcome = try Binary.run([
        "query", project.path, "select max(time) from sys.events", "--as-of", moment,
      ])
      #expect(outcome.output.contains(place[0][3].description), "\(moment)")
      #expect(outcome.errors.contains("as of \(place[0][3])"), "\(outcome.errors)")
    }
    let day = try Binary.run(["query", project.path, Self.sums, "--as-of", "2024-03-01"])
    #expect(day.errors.contains("as of 2024-03-01T23:59:59.999999Z"), "\(day.errors)")
    #expect(try project.query(Self.sums, ["--as-of", "2024-03-01"]) == Self.expected(0..<1_440))
    #expect(
      try project.query(Self.sums, ["--as-of", "2024-03-01", "--tz", "+02:00"]) == Self.expected(0..<1_320))
    for wrong in ["#2000", "events/7@100000", "nothing/0@0"] {
      let outcome = try Binary.run(["query", project.path, Self.sums, "--as-of", wrong])
      #expect(outcome.status == 2 && outcome.errors.contains("E0612"), "\(wrong): \(outcome.errors)")
    }
    let now = try Binary.run(["query", project.path, "select * from sys.handlers", "--as-of", "#7"])
    #expect(now.status == 2 && now.errors.contains("how things stand now"), "\(now.errors)")
    let write = try Binary.run(["query", project.path, "delete from customers", "--as-of", "#7"])
    #expect(write.status == 2 && write.errors.contains("E0610"), "\(write.errors)")
  }

  @Test
  func `an edited script, other bytes and an unknown note are never used, and the folds can be deleted`()
    throws
  {
    let project = try Self.project(Self.sales(0..<500))
    let past = ["--as-of", Self.time(250)]
    #expect(try project.query(Self.sums, past) == Self.expected(0...250))
    // The same question again makes nothing new.
    let before = try Self.folds(project)
    #expect(try project.query(Self.sums, past) == Self.expected(0...250))
    #expect(try Self.folds(project) == before)
    let file = project.folder.appending(path: ".moontide/as-of/folds/sums/\(try #require(before.first))")
    var bytes = try Data(contentsOf: file)
    // The sum of one customer, changed where SQLite has no checksum.
    let place = try #require(bytes.range(of: Data("c-3".utf8)))
    bytes[place.lowerBound + 4] ^= 1
    try bytes.write(to: file)
    #expect(try project.query(Self.sums, past) == Self.expected(0...250))
    #expect(try Self.folds(project) != before)
    for note in try FileManager.default.contentsOfDirectory(
      at: file.deletingLastPathComponent(), includingPropertiesForKeys: nil)
    where note.pathExtension == "note" {
      try Data("moontide fold 1\n".utf8).write(to: note)
    }
    #expect(try project.query(Self.sums, past) == Self.expected(0...250))
    try project.write(Self.handler(factor: 2), to: "handlers/sums.lua")
    #expect(try project.query(Self.sums, past) == Self.expected(0...250, factor: 2))
    try project.write(Self.handler(), to: "handlers/sums.lua")
    #expect(try project.query(Self.sums, past) == Self.expected(0...250))
    let doctor = try Binary.succeed(["doctor", project.path])
    #expect(doctor.contains(".moontide/as-of keeps"), "\(doctor)")
    try FileManager.default.removeItem(at: project.folder.appending(path: ".moontide"))
    #expect(try project.query(Self.sums, past) == Self.expected(0...250))
  }

  @Test func `one event of a wrong year does not make every question fold the whole log`() throws {
    var lines = Self.sales(0..<9_000)
    let wrong = try #require(lines.firstIndex { $0.contains(#""id":"s-6""#) })
    lines[wrong] = lines[wrong].replacing(Self.time(6), with: "2099-01-01T00:00:00Z")
    let project = try Self.project(lines)
    // Leaves plain marks, of which none can stand for a moment before 2099.
    #expect(
      try project.query("select sum(sales) from customers", ["--as-known", "now"]) == [[JSONCell("9000")]])
    let past = Self.expected((0...8_000).filter { $0 != 6 })
    #expect(try project.query(Self.sums, ["--as-of", Self.time(8_000)]) == past)
    let folder = project.folder.appending(path: ".moontide/as-of/folds/sums")
    let notes = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
      .filter { $0.pathExtension == "note" }.map { try String(contentsOf: $0, encoding: .utf8) }
    #expect(notes.count { $0.contains("role mark") && $0.contains(#/leftout [0-9]+ 0\n/#) } >= 3, "\(notes)")
    #expect(notes.count { $0.contains("role mark") && !$0.contains(#/leftout [0-9]+ 0\n/#) } >= 2, "\(notes)")
    // From such a mark, and right.
    #expect(
      try project.query(Self.sums, ["--as-of", Self.time(7_000)])
        == Self.expected((0...7_000).filter { $0 != 6 }))
    #expect(
      try project.query(Self.sums, ["--as-of", "2099-01-01"]) == Self.expected(0..<9_000), "after all of it")
  }

  @Test func `a log that was restored and went on otherwise knows nothing of the folds of the other history`()
    throws
  {
    let project = try Self.project(Self.sales(0..<200))
    let archive = project.folder.appending(path: "backup.tar").path
    try Binary.succeed(["backup", project.path, archive])
    let head = try FileHandle(forWritingTo: project.folder.appending(path: "events/sales.jsonl"))
    try head.seekToEnd()
    try head.write(contentsOf: Data((Self.sales(200..<400).joined(separator: "\n") + "\n").utf8))
    try project.runOnce()
    let now = ["--as-known", "now"]
    #expect(try project.query(Self.sums, now) == Self.expected(0..<400))
    #expect(try project.query(Self.sums, ["--as-of", Self.time(300)]) == Self.expected(0...300))
    try FileManager.default.removeItem(at: project.folder.appending(path: "data"))
    try Binary.succeed(["restore", archive, project.path])
    #expect(try project.query(Self.sums, now) == Self.expected(0..<200))
    try project.write(Self.sales(600..<900).joined(separator: "\n") + "\n", to: "events/sales.jsonl")
    try project.runOnce()
    let other = Array(0..<200) + Array(600..<900)
    #expect(try project.query(Self.sums, now) == Self.expected(other))
    #expect(
      try project.query(Self.sums, ["--as-of", Self.time(650)]) == Self.expected(Array(0..<200) + (600...650))
    )
  }

  @Test func `killed in the middle, and many at once, questions leave nothing that harms the next`() throws {
    let project = try Self.project(Self.sales(0..<4_000))
    var random = SeededGenerator(seed: 20_261_123)
    for _ in 0..<6 {
      let process = try Binary.start(["query", project.path, Self.sums, "--as-of", Self.time(3_000)])
      usleep(UInt32.random(in: 5_000...400_000, using: &random))
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    let run = try LiveRun(["run", project.path])
    let moments = (0..<8).map { _ in Int.random(in: 0..<4_000, using: &random) }
    let together = try moments.map {
      try Binary.start(["query", project.path, Self.sums, "--as-of", Self.time($0)])
    }
    for moment in moments {
      #expect(try project.query(Self.sums, ["--as-of", Self.time(moment)]) == Self.expected(0...moment))
    }
    for process in together { process.waitUntilExit() }
    #expect(together.map(\.terminationStatus) == Array(repeating: 0, count: moments.count))
    #expect(run.interrupt() == 0)
    let folds = try Self.folds(project)
    #expect(folds.count { !$0.hasPrefix("work-") } <= 4 + 12 + moments.count, "\(folds)")
  }

  @Test
  func
    `an event that no script could handle is set aside then too, and a correction counts once it was known`()
    throws
  {
    let project = try TestProject()
    try project.write(Self.handler(), to: "handlers/sums.lua")
    var lines = Self.sales(0..<20)
    let bad = try #require(lines.firstIndex { $0.contains(#""id":"s-5""#) })
    lines[bad] = lines[bad].replacing(#""cents":5"#, with: #""cents":"none""#)
    try project.write(lines.joined(separator: "\n") + "\n", to: "events/sales.jsonl")
    try project.runOnce()
    let outcome = try Binary.run(["query", project.path, Self.sums, "--as-of", Self.time(10), "-o", "csv"])
    #expect(outcome.errors.contains("sums was degraded since"), "\(outcome.errors)")
    #expect(LineFold.rows(outcome.output).dropFirst() == Self.expected((0...10).filter { $0 != 5 })[...])
    let letters = try project.query("select id from sys.dead_letters")
    let letter = try #require(letters.first?.first?.description)
    try Binary.succeed(
      [
        "dead", "edit", project.path, letter, "-d", #"{"cents":5,"note":"red lantern 5"}"#, "--reason",
        "typo",
      ])
    try project.runOnce()
    #expect(try project.query(Self.sums, ["--as-of", Self.time(10)]) == Self.expected(0...10))
    #expect(
      try project.query(Self.sums, ["--as-known", "#19"]) == Self.expected((0..<20).filter { $0 != 5 }))
    #expect(try project.query(Self.sums, ["--as-known", "now"]) == Self.expected(0..<20))
  }
}

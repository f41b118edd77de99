@testable import MoontideSQLite
import MoontideCore
import Synchronization
import Testing

/// What `sys.events` reads for a question: counted in records, so that no condition that is pushed down comes
/// to read the log again unseen.
@Suite struct EventsPushDownTests {
  let log: ListLog
  let engine: QueryEngine
  let plain: QueryEngine
  static let start = EventTime("2026-01-01T00:00:00Z")!.microseconds

  /// 20,000 entries of two topics: each hundredth is no event, type Rare stands between 7,000 and 7,099.
  init() throws {
    var entries: [ListLog.Entry] = []
    for index in 0..<20_000 {
      let isRare = (7_000..<7_100).contains(index) && index % 20 == 0
      let recorded = Self.start + Int64(index) * 250_000
      entries.append(
        ListLog.Entry(
          topic: UInt16(index % 2), kind: index % 100 == 99 ? .quarantine : .event,
          type: isRare ? "Rare" : index % 3 == 0 ? "A" : "B", key: "k\(index % 500)", recorded: recorded,
          data: "{\"n\":\(index)}"))
    }
    let log = ListLog(entries)
    self.log = log
    engine = try QueryEngine(
      QueryCatalog(), tables: [EventsTable(log) { _ in ListOutline(log) }], clock: StepClock())
    plain = try QueryEngine(QueryCatalog(), tables: [EventsTable(log)], clock: StepClock())
  }

  private func rows(_ sql: String, _ engine: QueryEngine) throws -> [[Value]] {
    var all: [[Value]] = []
    try engine.run(sql) { _ in
    } row: { row in
      all.append(row.values)
      return true
    }
    return all
  }

  /// The rows of a query and how many records it read; they are those of a scan without an outline.
  private func read(_ sql: String) throws -> (rows: [[Value]], records: Int) {
    let expected = try rows(sql, plain)
    log.given.withLock { $0 = 0 }
    let found = try rows(sql, engine)
    #expect(found == expected, "\(sql)")
    return (found, log.given.withLock { $0 })
  }

  @Test(arguments: [
    ("select type, count(*) from sys.events group by type", 0),
    ("select topic, type, count(*) from sys.events group by topic, type", 0),
    ("select type, topic, count(*) from sys.events group by 1, 2 order by 1 desc, 2", 0),
    ("select count(*) from sys.events", 0),
    ("select count(*) from sys.events where type = 'A'", 0),
    ("select count(*) from sys.events where topic = 'orders' and type <> 'Rare'", 0),
    ("select count(*) from sys.events where topic = 'nobody'", 0),
    ("select distinct type from sys.events order by type desc", 0),
    ("select count(*) from sys.events where type = 'A' and type = 'B'", 0),
    ("select * from sys.events where position = 17000", 64),
    ("select * from sys.events where position in (3, 700, 19000)", 3 * 64),
    ("select * from sys.events where id = 'id-12345'", 1),
    ("select position from sys.events where id = 'id-12345' and source = 's' and topic = 'orders'", 1),
    ("select position from sys.events where id = 'id-12345' and source = 'other'", 0),
    ("select position from sys.events where id in ('id-4', 'id-9000', 'nobody') order by 1", 2),
    ("select count(*), max(position) from sys.events where topic = 'orders' and key = 'k77'", 40),
    ("select count(*), max(position) from sys.events where key = 'k77'", 40),
    ("select position from sys.events where key = 'k78' order by position", 40),
    ("select position from sys.events where key = 'k78' order by position desc limit 3", 40),
    ("select data from sys.events where type = 'Rare'", 100),
    ("select position from sys.events where type = 'Rare' order by position desc limit 1", 100),
    ("select position from sys.events order by position desc limit 5", 64),
    ("select max(position) from sys.events", 64),
    ("select position from sys.events where position < 9000 order by position desc limit 2", 64),
    (
      "select position from sys.events where type = 'B' and position < 9000 order by position desc limit 2",
      100
    ),
    ("select count(*) from sys.events where position between 5000 and 5009", 10),
  ])
  func `a condition that is pushed down reads what it must, and finds what a full scan finds`(
    sql: String, bound: Int
  ) throws {
    let (_, records) = try read(sql)
    #expect(records <= bound, "\(sql) read \(records) records")
  }

  @Test func `a range of times passes by what lies outside of it`() throws {
    let from = Self.start + 4_000 * 250_000
    for condition in [
      "time_us between \(from) and \(from + 9 * 250_000)",
      "time_us > \(from) and time_us < \(from + 100_000_000)", "time_us = \(from)",
      "time_us >= \(from + 15_900 * 250_000)", "time_us < \(Self.start)",
    ] {
      for order in ["position", "position desc"] {
        let sql = "select position, time_us from sys.events where \(condition) order by \(order)"
        let (rows, records) = try read(sql)
        #expect(records <= (rows.count / 100 + 2) * 100, "\(sql) read \(records) records")
      }
    }
  }

  @Test func `comparisons that ignore case, and values of other kinds, are not looked up`() throws {
    for condition in [
      "type = 'rare' collate nocase", "key = 'K77' collate nocase", "id = 'ID-5' collate nocase",
      "type = 5", "key = x'6b3737'", "position = '17'", "position = 17.0", "position < 16.5", "type is null",
      "topic = null", "time_us > 'x'", "time_us < 1.5e15",
    ] {
      _ = try read("select count(*), min(position), max(position) from sys.events where \(condition)")
      _ = try read("select type, count(*) from sys.events where \(condition) group by type order by type")
    }
  }

  @Test func `what was appended behind an outline is found too`() throws {
    let log = log
    let shorter = try QueryEngine(
      QueryCatalog(),
      tables: [
        EventsTable(log) { _ in
          var outline = ListOutline(log)
          outline.end = Position(15_050)
          return outline
        }
      ], clock: StepClock())
    for sql in [
      "select position from sys.events where type = 'Rare' order by position",
      "select position from sys.events where type = 'A' order by position desc limit 9000",
      "select count(*) from sys.events where time_us > \(Self.start + 14_900 * 250_000)",
      "select max(position) from sys.events where type = 'B'",
    ] {
      #expect(try rows(sql, shorter) == rows(sql, plain), "\(sql)")
    }
  }

  @Test func `with more types than are told apart they are counted by reading`() throws {
    let log = log
    let blind = try QueryEngine(
      QueryCatalog(),
      tables: [
        EventsTable(log) { _ in
          var outline = ListOutline(log)
          outline.tellsTypes = false
          return outline
        }
      ], clock: StepClock())
    let sql = "select type, topic, count(*) from sys.events group by type, topic"
    #expect(try rows(sql, blind) == rows(sql, plain))
  }

  @Test(arguments: [
    ("position = 7", "position [position=]"), ("id = 'a'", "identity index [id=]"),
    ("key = 'a'", "key index [key=]"), ("topic = 'orders' and key = 'a'", "key index [topic= key=]"),
    ("type = 'a'", "stretches of the outline [type=]"),
    ("time_us > 4", "stretches of the outline [time_us>]"),
    ("recorded >= '2026'", "range of positions [recorded>=]"), ("version = 2", "all positions []"),
  ])
  func `explain query plan names the way`(condition: String, way: String) throws {
    let plan = try rows("explain query plan select data from sys.events where \(condition)", engine)
    #expect(plan.contains { row in row.contains { "\($0)".contains(way) } }, "\(plan)")
  }

  @Test func `a scan that finds nothing ends with its time`() throws {
    let engine = try QueryEngine(
      QueryCatalog(), tables: [EventsTable(log) { _ in nil }], clock: StepClock())
    // The clock goes on at each look; nothing gives a row.
    for sql in ["select * from sys.events where data = 'x'", "select count(*) from sys.events"] {
      #expect(throws: QueryError.self, "\(sql)") {
        try engine.run(sql, bounds: .init(time: .zero)) { _ in
        } row: { _ in
          true
        }
      }
    }
  }
}

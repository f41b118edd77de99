@testable import MoontideSQLite
import MoontideCore
import Testing

@Suite struct EventsTableTests {
  let log: ListLog
  let engine: QueryEngine
  /// 2026-01-01T00:00:00Z.
  static let start = EventTime("2026-01-01T00:00:00Z")!.microseconds

  init() throws {
    var entries: [ListLog.Entry] = []
    for index in 0..<10_000 {
      let kind: RecordKind = index % 100 == 99 ? .quarantine : .event
      let type = index % 10 == 0 ? "Rare" : "Often"
      let recorded = Self.start + Int64(index) * 250_000
      entries.append(
        ListLog.Entry(
          topic: UInt16(index % 2), kind: kind, type: type, key: "k\(index % 50)", recorded: recorded,
          data: "{\"n\":\(index)}"))
    }
    log = ListLog(entries)
    engine = try QueryEngine(QueryCatalog(), tables: [EventsTable(log)], clock: StepClock())
  }

  private func rows(_ sql: String) throws -> [[Value]] {
    log.given.withLock { $0 = 0 }
    var all: [[Value]] = []
    try engine.run(sql) { _ in
    } row: {
      all.append($0.values)
      return true
    }
    return all
  }
  private var given: Int { log.given.withLock { $0 } }

  @Test func `all columns of an event are there`() throws {
    #expect(
      try rows("select * from sys.events where position = 3") == [
        [
          .int(3), .text("orders"), .int(0), .int(3), .text("id-3"), .text("s"), .text("Often"), .int(3),
          .text("k3"),
          .text("2026-01-01T00:00:00.750Z"), .int(Self.start + 750_000), .text("2026-01-01T00:00:00.750Z"),
          .text("{\"n\":3}"), .null,
        ]
      ])
    #expect(given <= 64)
  }

  @Test func `only events are shown`() throws {
    #expect(try rows("select count(*) from sys.events") == [[.int(9_900)]])
    #expect(try rows("select count(*) from events where position = 99") == [[.int(0)]])
  }

  @Test func `a range of positions reads no more than it must`() throws {
    #expect(
      try rows("select count(*), min(position) from sys.events where position >= 9000 and position < 9100")
        == [[.int(99), .int(9000)]])
    #expect(given < 1_000)
    #expect(
      try rows("select position from sys.events where position > 9997 order by position") == [[.int(9998)]])
    #expect(try rows("select 1 from sys.events where position < 0 or position = -4").isEmpty)
    #expect(
      try rows("select json_extract(data, '$.n') from sys.events where type = 'Rare' limit 2") == [
        [.int(0)], [.int(10)],
      ])
    #expect(given <= 64)
  }

  @Test func `the events of one key are found without the others`() throws {
    let sql = "select count(*), max(position) from sys.events where topic = 'orders' and key = 'k7'"
    #expect(try rows(sql) == [[.int(200), .int(9_957)]])
    #expect(given == 200)
    #expect(try rows(sql + " and position > 9900") == [[.int(2), .int(9_957)]])
    #expect(try rows("select 1 from sys.events where topic = 'nobody' and key = 'k7'").isEmpty)
    #expect(try rows("select 1 from sys.events where key = null").isEmpty)
  }

  @Test func `a time of recording bounds the scan, and gives what a full scan gives`() throws {
    let cases = [
      ("recorded >= '2026-01-01T00:40'", 1_600), ("recorded > '2026-01-01T00:41:39.500Z'", 10),
      ("recorded < '2026-01-01T00:00:01.5Z'", 10_000),
      ("recorded between '2026-01-01T00:10:00' and '2026-01-01T00:10:05'", 60),
      ("recorded < '2026-01-01'", 10_000), ("recorded >= '2027'", 64),
    ]
    for (condition, bound) in cases {
      let found = try rows("select position from sys.events where \(condition) order by 1")
      let most = given
      let full = try rows("select position from sys.events where \(condition.replacingRecorded) order by 1")
      #expect(found == full, "\(condition)")
      #expect(most <= max(bound, 5_064), "\(condition) read \(most) records")
    }
    #expect(try rows("select count(*) from sys.events where recorded >= '2026-01-01T00:40'") == [[.int(396)]])
  }
}

extension String {
  /// The same condition in a form that the table cannot see through.
  fileprivate var replacingRecorded: String { "(recorded || '')" + dropFirst("recorded".count) }
}

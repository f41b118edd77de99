@testable import MoontideSQLite
import MoontideCore
import Testing

/// A clock that moves on by a step at each look.
final class StepClock: WallClock, @unchecked Sendable {
  // Used by the one thread of a test.
  private var passed = Duration.zero
  private let step: Duration
  init(step: Duration = .zero) { self.step = step }
  var now: EventTime { EventTime(microseconds: 0) }
  var monotonic: Duration {
    passed += step
    return passed
  }
  func sleep(for duration: Duration) { passed += duration }
}

@Suite struct QueryEngineTests {
  let scratch: Scratch
  let catalog: QueryCatalog
  /// Kept open: a query runs beside the process that writes.
  let stores: [ProjectionStore]

  init() throws {
    scratch = try Scratch()
    let first = try makeStore(
      scratch, "create table orders(id text primary key, total integer); create table shared(n integer);",
      name: "order status.sqlite")
    let second = try makeStore(
      scratch,
      "create table shared(n integer primary key); create virtual table found using fts5(id unindexed, n);",
      name: "b.sqlite")
    let tx = try first.begin(folding: false)
    for index in 0..<100 { try tx.row(.put, 0, [.text("o\(index)"), .int(Int64(index))]) }
    try tx.row(.put, 1, [.int(1)])
    try tx.commit()
    let other = try second.begin(folding: false)
    try other.row(.put, 0, [.int(2)])
    try other.row(.put, 1, [.text("o3"), .text("red shoes")])
    try other.commit()
    stores = [first, second]
    catalog = QueryCatalog([
      .init(name: "status", path: first.path, tables: first.tables.map { $0.name }),
      .init(name: "b", path: second.path, tables: second.tables.map { $0.name }),
    ])
  }

  private func rows(
    _ sql: String, tables: [any SystemTable] = [], bounds: QueryEngine.Bounds = .init(),
    clock: StepClock = StepClock(), cancellation: QueryCancellation? = nil
  ) throws -> [[Value]] {
    let engine = try QueryEngine(catalog, tables: tables, clock: clock)
    var all: [[Value]] = []
    try engine.run(sql, bounds: bounds, cancellation: cancellation) { _ in
    } row: {
      all.append($0.values)
      return true
    }
    return all
  }

  private func refused(_ sql: String) throws -> QueryError? {
    do {
      _ = try rows(sql)
      return nil
    } catch let error as QueryError { return error }
  }

  @Test func `a query names read models with and without their schema`() throws {
    #expect(try rows("select count(*), sum(total) from status.orders;") == [[.int(100), .int(4950)]])
    #expect(try rows("-- a title\nselect total from orders where id = 'o7'") == [[.int(7)]])
    #expect(
      try rows("select o.total from orders o join found f on f.id = o.id where found match 'shoes'") == [
        [.int(3)]
      ])
    #expect(
      try rows("select n from b.shared union select n from status.shared order by 1") == [
        [.int(1)], [.int(2)],
      ])
  }

  @Test func `a name in several read models asks which`() throws {
    let error = QueryError.ambiguous(name: "shared", candidates: ["status.shared", "b.shared"])
    #expect(try refused("select * from shared") == error)
    #expect(try refused("select * from orders, shared") == error)
  }

  @Test func `an unknown name is told with its place and what may have been meant`() throws {
    #expect(
      try refused("select * from oders")
        == .wrong(message: "no such table: oders", byteOffset: 14, suggestion: "orders"))
    #expect(
      try refused("select totl from orders")
        == .wrong(message: "no such column: totl", byteOffset: 7, suggestion: "total"))
    guard case .wrong(let message, let offset, _) = try refused("select 1 frm orders") else {
      Issue.record("a syntax error was taken")
      return
    }
    #expect(message.contains("syntax error"))
    #expect(offset == 13)
  }

  @Test(arguments: [
    "delete from orders", "insert into orders values ('x', 1)", "update status.orders set total = 0",
    "create table t(a)", "drop table orders", "attach '/tmp/moontide-never.db' as x", "detach status",
    "vacuum into '/tmp/moontide-never.db'", "pragma query_only = 0", "pragma table_info(orders)", "begin",
    "commit",
    "select load_extension('x')", "select fts3_tokenizer('simple')", "select printf('%.*c', 900000000, 'x')",
    "select format('%.*c', 900000000, 'x')", "select * from pragma_database_list", "reindex", "analyze",
    "create temp table t(a)", "savepoint a", "select 1; delete from orders", "select * from _mt_meta",
    "explain delete from orders", "with x as (select 1) delete from orders",
  ]) func `only reading is allowed`(_ sql: String) throws {
    #expect(try refused(sql) != nil, "\(sql) was allowed")
    #expect(try rows("select count(*) from orders") == [[.int(100)]])
  }

  @Test func `a query that runs too long, is cancelled or gives too much is stopped`() throws {
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"
    #expect(throws: QueryError.timedOut(after: .seconds(1))) {
      try rows(endless, bounds: .init(time: .seconds(1)), clock: StepClock(step: .milliseconds(10)))
    }
    let cancellation = QueryCancellation()
    cancellation.cancel()
    #expect(throws: QueryError.cancelled) { try rows(endless, cancellation: cancellation) }
    #expect(throws: QueryError.tooManyRows(limit: 10)) {
      try rows("select * from orders", bounds: .init(rows: 10))
    }
    #expect(throws: QueryError.tooManyBytes(limit: 100)) {
      try rows("select * from orders", bounds: .init(bytes: 100))
    }
  }

  @Test func `a system table is one more table`() throws {
    let table = StaticSystemTable(
      "handlers", columns: [SystemColumn("name", .text), SystemColumn("lag", .integer)]
    ) { [[.text("a"), .integer(3)], [.text("b"), .null]] }
    #expect(try rows("select name from sys.handlers where lag = 3", tables: [table]) == [[.text("a")]])
    #expect(
      try rows("select h.name, count(*) from handlers h, orders group by 1", tables: [table]).count == 2)
    #expect(try refused("select * from sys.handlers") != nil)
  }

  @Test func `a query sees what is committed while the engine is open`() throws {
    let engine = try QueryEngine(catalog, clock: StepClock())
    for expected in [100, 101] {
      var count: [Value] = []
      try engine.run("select count(*) from orders") { _ in
      } row: {
        count = $0.values
        return true
      }
      #expect(count == [.int(Int64(expected))])
      let tx = try stores[0].begin(folding: false)
      try tx.row(.put, 0, [.text("new\(expected)"), .int(1)])
      try tx.commit()
    }
  }
}

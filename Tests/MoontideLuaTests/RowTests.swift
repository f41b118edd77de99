import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct RowTests {
  static let tables = [
    Bench.orders, StoreTable(name: "lines", columns: ["order_id", "line", "qty"], keyColumns: [0, 1]),
    StoreTable(name: "query", columns: ["a"], keyColumns: [0]),
    StoreTable(name: "search", columns: ["note"], keyColumns: []),
  ]

  func bench() throws -> Bench { try Bench(tables: RowTests.tables) }

  func cells(_ body: String, data: String = "{}") throws -> [String] {
    let bench = try bench()
    try bench.run(body, data: data, power: .projection)
    return bench.host.rows.map { "\($0.operation) \($0.table): " + $0.cells.joined(separator: " ") }
  }

  @Test func `values become cells of their kind`() throws {
    let rows = try cells(
      """
      db.orders:put { order_id = 1, customer = null, status = "a\\0b", total_cents = 1.5 }
      db.orders:put { order_id = true, customer = nil, total_cents = 2^53 }
      db.orders:update("k", { status = null })
      db.orders:add("k", { total_cents = 5 })
      db.orders:delete(7)
      db.lines:get { "k", 2 }
      db:table("query"):put { a = "x" }
      db:table "search":put { note = event.data.note }
      db.orders:put(event.data.row)
      """, data: #"{"note":"n","row":{"order_id":"o","status":null}}"#)
    #expect(
      rows == [
        "put 0: 1 null 'a\0b' 1.5f", "put 0: 1 - - 9007199254740992.0f", "update 0: 'k' - - null -",
        "add 0: 'k' - - - 5", "delete 0: 7", "get 1: 'k' 2", "put 2: 'x'", "put 3: 'n'",
        "put 0: 'o' - null -",
      ])
  }

  @Test(arguments: [
    ("db.orders:put { custmer = 1 }", "no column 'custmer' in orders; did you mean customer?"),
    ("db.orders:put { zzz = 1, yyyyyyyy = 2 }", "no column 'yyyyyyyy' in orders"),
    ("db.orders:put { 1 }", "orders takes a table of columns, not a list"),
    ("db.orders:put { status = {} }", "a Lua table cannot be put in a column ('status')"),
    ("db.orders:put { status = event.data }", "a Lua table cannot be put in a column ('status')"),
    ("db.orders:put { status = print }", "a Lua function cannot be put in a column ('status')"),
    ("db.orders:put { status = 0/0 }", "'status' is NaN: a column cannot hold it"),
    ("db.orders:put(1)", "a row is a table of columns, not number"),
    ("db.orders.put { status = 1 }", "call it with a colon: db.TABLE:put(…)"),
    ("db.orders:get(nil)", "the key is nil"),
    ("db.lines:get(1)", "the key has 2 columns: give a list"),
    ("db.lines:get { 1 }", "the key has 2 columns, the list 1"),
    ("db.search:get(1)", "this table has no primary key: use put, each or db:exec"),
    ("db.ordrs:put {}", "db has no table 'ordrs'; did you mean orders?"),
    ("db:table 'ordrs'", "db has no table 'ordrs'; did you mean orders?"),
    ("db.orders:putt {}", "a table has no method 'putt'; did you mean put?"),
    ("db.orders = 1", "db is read-only: write rows with put, update, add"),
    ("db.query('select 1')", "call it with a colon: db:query(…)"),
  ])
  func `what cannot be written is refused`(body: String, message: String) throws {
    #expect(try bench().fault(body, power: .projection).message == message)
  }

  @Test func `rows come back as tables`() throws {
    let bench = try bench()
    bench.host.answerBytes = Array("annpaid".utf8)
    bench.host.answers = [
      [
        .integer(1), Cell(kind: .text, part: ByteRange(start: 0, count: 3)), .null, .real(1.5),
      ],
      [.integer(2), .null, Cell(kind: .text, part: ByteRange(start: 3, count: 4)), .null],
    ]
    let lines = try bench.lines(
      """
      local row = db.orders:get(1)
      print(row.order_id, row.customer, row.status, row.total_cents)
      for row in db.orders:each { status = "paid" } do print(row.order_id, row.status) end
      for row in db.orders:each() do print(row.order_id) end
      """, power: .projection)
    #expect(lines == ["1\tann\tnil\t1.5", "1\tnil", "2\tpaid", "1", "2"])
    bench.host.found = false
    bench.host.answers = []
    #expect(
      try bench.lines("print(db.orders:get(9), db.orders:delete(9))", power: .projection) == ["nil\tfalse"])
  }

  @Test func `a query gives rows by the names of its columns`() throws {
    let bench = try bench()
    bench.host.columns = ["n", "who"]
    bench.host.answerBytes = Array("bob".utf8)
    bench.host.answers = [
      [.integer(4), Cell(kind: .text, part: ByteRange(start: 0, count: 3))], [.integer(5), .null],
    ]
    let lines = try bench.lines(
      """
      local rows = db:query("select ? as n", 1, "x", null)
      print(#rows, rows[1].n, rows[1].who, rows[2].n, rows[2].who)
      db:exec "delete from orders"
      """, power: .projection)
    #expect(lines == ["2\t4\tbob\t5\tnil"])
    #expect(bench.host.statements == ["select ? as n|1|'x'|null", "delete from orders"])
  }
}

@testable import MoontideSQLite
import CSQLite
import MoontideCore
import Testing

/// Statements of scripts end when their event's time is over.
@Suite struct LateStatementTests {
  private static let schema = """
    create table t(k text primary key, n integer);
    create virtual table s using fts5(id unindexed, note);
    """
  private static let endless = "with recursive n(i) as (select 1 union all select i + 1 from n) "

  private func late(_ sql: String, _ values: [Value?] = []) throws -> Duration {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    tx.timeLeft = .milliseconds(30)
    let began = ContinuousClock.now
    #expect(throws: StoreError.refused("the statement took longer than its event may"), "\(sql.prefix(60))") {
      try tx.sql(sql, values)
    }
    let took = ContinuousClock.now - began
    #expect(!tx.isLost || sql.contains("insert"), "\(sql.prefix(60))")
    try tx.rollback()
    return took
  }

  @Test func `what is late is stopped in loops, in writes and amid a row of long texts`() throws {
    let text = String(repeating: "x", count: 2_000_000)
    let joined = "select " + Array(repeating: "length(?1||?1)", count: 900).joined(separator: "+")
    for (sql, values) in [
      (Self.endless + "select count(*) from n", []), (Self.endless + "select i from n", []),
      (Self.endless + "insert into t select i, i from n where i < 0", []),
      (joined, [Value?.some(.text(text))]),
    ] {
      let took = try late(sql, values)
      // Generous: other tests run beside this one. The battery judges the time of a process alone.
      #expect(took < .seconds(5), "\(sql.prefix(60)) took \(took)")
    }
  }

  @Test func `a value that is refused before the statement begins is never taken for NULL`() throws {
    let connection = try Connection("late", .memory)
    try connection.run("create table t(v text)")
    let insert = try connection.prepare("insert into t values (?1)")
    let row = RowBuffer()
    row.append(text: String(repeating: "x", count: 5_000))
    // What a statement meets whose time was over while it was prepared.
    sqlite3_limit(connection.handle, SQLITE_LIMIT_LENGTH, 1_000)
    #expect(throws: StoreError.self) {
      try row.withSpan { (span) throws(StoreError) in try insert.bind(1, span[0], span.bytes) }
    }
  }

  @Test func `a select that was stopped leaves the transaction, a write that was stopped loses it`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    try tx.row(.put, 0, [.text("a"), .int(1)])
    tx.timeLeft = .milliseconds(30)
    #expect(throws: StoreError.self) { try tx.sql(Self.endless + "select count(*) from n") }
    #expect(!tx.isLost)
    tx.timeLeft = .seconds(10)
    #expect(try tx.sql("select n from t") == [.int(1)])
    tx.timeLeft = .milliseconds(30)
    #expect(throws: StoreError.self) {
      try tx.sql(Self.endless + "insert into t select i, i from n where i < 0")
    }
    #expect(tx.isLost)
    try tx.rollback()
    let after = try store.begin(folding: false)
    #expect(!after.isLost)
    // The bound on values is as before.
    try after.row(.put, 0, [.text(String(repeating: "k", count: 5_000)), .int(1)])
    #expect(try after.sql("select length(k) from t") == [.int(5_000)])
    try after.rollback()
  }

  @Test func `searches of a script are short and stand behind MATCH`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    try tx.row(.put, 1, [.text("1"), .text("red shoes NEAR the door")])
    #expect(try tx.sql("select id from s where s match ?", [.text("red")]) == [.text("1")])
    #expect(try tx.sql("select id from s where note match 'shoes' and id = '1'") == [.text("1")])
    // Texts of other statements are as long as they like.
    let long = String(repeating: "word ", count: 1_000)
    try tx.sql("insert into s(id, note) values ('2', ?)", [.text(long)])
    for (sql, values) in [
      ("select id from s where s match ?", [Value?.some(.text(long))]),
      ("select id from s where s match 'NEAR(red door)'", []),
      ("select id from s where s match ('NE' || 'AR(red door)')", []),
      ("select id from s where s match 'NE' || 'AR(red door)'", []),
      ("select id from s where s = 'red'", []), ("select id from s where 'red' = s", []),
      ("select id from s('red')", []), ("select snippet(s, 1, '', '', '', 5) from s where s match 'red'", []),
    ] {
      #expect(throws: StoreError.self, "\(sql)") { try tx.sql(sql, values) }
    }
    try tx.rollback()
  }
}

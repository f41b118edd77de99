@testable import MoontideSQLite
import MoontideCore
import Testing

@Suite struct SchemaTests {
  /// The message and the text that the fault points at.
  private func fault(_ schema: String) -> (message: String, at: String, suggestion: String?)? {
    do {
      _ = try ProjectionStore.checkSchema(schema)
      return nil
    } catch {
      let bytes = Array(schema.utf8)
      let end = min(bytes.count, error.byteOffset + error.byteCount)
      return (error.message, String(decoding: bytes[error.byteOffset..<end], as: UTF8.self), error.suggestion)
    }
  }

  @Test func `a schema gives its tables in order, with keys and without generated columns`() throws {
    let tables = try ProjectionStore.checkSchema(
      """
      -- a comment; with a semicolon
      create table orders(order_id text primary key, customer text,
        twice generated always as (customer || customer));
      create index orders_by_customer on orders(customer);
      create table pairs(b, a, n default (1 + 1), primary key(a, b)) without rowid;
      create view v as select date(customer) d from orders;
      create virtual table search using fts5(note, "order id" unindexed, tokenize = 'porter');
      create table log(line text);
      """)
    #expect(
      tables == [
        StoreTable(name: "orders", columns: ["order_id", "customer"], keyColumns: [0]),
        StoreTable(name: "pairs", columns: ["b", "a", "n"], keyColumns: [1, 0]),
        StoreTable(name: "search", columns: ["note", "order id"], keyColumns: [1]),
        StoreTable(name: "log", columns: ["line"], keyColumns: []),
      ])
  }

  @Test func `a fault points at its place`() throws {
    let good = "create table ok(a);\n"
    var found = fault(good + "creat table t(a);")
    #expect(found?.at == "creat")
    #expect(found?.message.contains("syntax error") == true)
    found = fault(good + "create table t(a text primary key, custmer text);\ncreate index i on t(customer);")
    #expect(
      found?.message == "table t has no column named customer" || found?.message == "no such column: customer"
    )
    #expect(found?.at == "customer")
    #expect(found?.suggestion == "custmer")
    found = fault(good + "create index i on missing(a);")
    #expect(found?.at == "missing")
    found = fault(good + "create table ok(b);")
    #expect(found?.at == "ok")
    found = fault(good + "create table t(a, b, a);")
    #expect(found?.message == "duplicate column name: a")
    found = fault(good + "create view v as select nothing from ok;")
    #expect(found?.at == "nothing")
    found = fault(good + "create virtual table s using fts5(a, tokenize = 'nope');")
    #expect(found != nil)
    found = fault(good + "create table t(a,")
    #expect(found?.message.contains("incomplete input") == true)
  }

  @Test(arguments: [
    "create table t(a); create trigger x after insert on t begin delete from t; end;",
    "attach 'x.db' as y", "pragma user_version = 3", "insert into sqlite_schema values (1,2,3,4,5)",
    "create table t(a); insert into t values (1)", "create table t as select 1 a", "create temp table t(a)",
    "create table _mt_x(a)", "create table main(a)", "create table \"Sys\"(a)", "create table temp(a)",
    "create virtual table v using rtree(a, b, c)", "create virtual table v using fts4(a)",
    "create table t(a); drop table t", "create table t(a default current_timestamp)",
    "create table t(a default (random()))", "create table t(a default (date('now')))", "select 1",
    "begin; commit",
    "create table t(a default (datetime('2020-01-01', 'localtime')))", "vacuum",
    "create view v as select random() r",
  ]) func `a schema may not`(_ schema: String) {
    #expect(fault(schema) != nil, "\(schema) was allowed")
  }

  @Test func `a failed creation leaves no tables and a store can be made in its place`() throws {
    let scratch = try Scratch()
    #expect(throws: StoreOpeningError.self) {
      try makeStore(scratch, "create table a(b); create tabel c(d);")
    }
    #expect(try makeStore(scratch, "create table a(b)").tables.count == 1)
  }

  @Test func `a file of another program or a newer format is refused`() throws {
    let scratch = try Scratch()
    let store = try makeStore(scratch, "create table a(b)")
    let connection = try Connection(store.path, .readWrite)
    try connection.script("update _mt_meta set value = 99 where name = 'format'")
    #expect(throws: StoreOpeningError.unsupportedFormat(path: store.path, version: 99, supported: 1)) {
      try ProjectionStore.open(path: store.path)
    }
    try connection.script("drop table _mt_meta")
    #expect(throws: StoreOpeningError.self) { try ProjectionStore.open(path: store.path) }
  }
}

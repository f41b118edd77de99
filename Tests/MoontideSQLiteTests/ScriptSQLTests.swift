@testable import MoontideSQLite
import MoontideCore
import Testing

@Suite struct ScriptSQLTests {
  static let schema = """
    create table t(k text primary key, n integer unique);
    create virtual table search using fts5(k unindexed, body);
    create virtual table pages using fts5(content);
    """

  @Test func `a script queries and changes its own tables`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: true)
    try tx.row(.put, 0, [.text("a"), .int(1)])
    #expect(try tx.sql("select n from t where k = ?", [.text("a")]) == [.int(1)])
    #expect(try tx.sql("update t set n = n + 1 where k = ?1 returning n", [.text("a")]) == [.int(2)])
    #expect(
      try tx.sql("select date('2020-02-03T04:05:06Z'), strftime('%Y', '2021-01-01')") == [
        .text("2020-02-03"), .text("2021"),
      ])
    #expect(
      try tx.sql(
        "with recursive c(i) as (select 1 union all select i+1 from c where i < 3) select sum(i) from c") == [
          .int(6)
        ])
    #expect(try tx.sql("select value from json_each('[4]')") == [.int(4)])
    #expect(throws: StoreError.constraint("UNIQUE constraint failed: t.n")) {
      try tx.sql("insert into t values ('b', 2)")
    }
    #expect(throws: StoreError.self) { try tx.sql("select ?", []) }
    try tx.commit()
  }

  @Test(arguments: [
    "select random()", "select hex(randomblob(4))", "select date('now')", "select datetime()",
    "select julianday('NOW')",
    "select strftime('%s')", "select current_timestamp", "select unixepoch('2020-01-01', 'localtime')",
    "create table x(a)", "drop table t", "alter table t add column z", "attach ':memory:' as y",
    "pragma cache_size = 1",
    "select * from _mt_meta", "update _mt_counts set value = 0", "select * from sqlite_schema", "begin",
    "commit", "rollback",
    "savepoint a", "release a", "delete from search_data", "insert into search_content values (1, 2, 3)",
    "create trigger x after insert on t begin delete from t; end", "vacuum", "analyze", "reindex t",
    "select 1; select 2",
    "select changes()", "select last_insert_rowid()", "select sqlite_version()", "select load_extension('x')",
    "create temp table q(a)", "create table y as select * from t",
  ]) func `a script may not`(_ sql: String) throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    try tx.row(.put, 0, [.text("a"), .int(1)])
    #expect(throws: StoreError.self, "\(sql) was allowed") { try tx.sql(sql) }
    // The transaction stays usable.
    try tx.row(.put, 0, [.text("b"), .int(2)])
    try tx.commit()
    #expect(try store.begin(folding: false).row(.each, 0, [nil, nil]).1.count == 4)
  }

  @Test func `after settling, the bytes of a search model do not show where batches ended`() throws {
    let scratch = try Scratch()
    var dumps: [String] = []
    for batch in [1, 7, 100] {
      let store = try makeStore(scratch, Self.schema, name: "s\(batch).sqlite")
      for start in stride(from: 0, to: 200, by: batch) {
        let tx = try store.begin(folding: true)
        for index in start..<min(start + batch, 200) {
          try tx.row(.put, 1, [.text("k\(index % 60)"), .text("word\(index) common w\(index % 9)")])
          try tx.row(.put, 2, [.text("page \(index) common")])
          if index % 11 == 0 { try tx.row(.delete, 1, [.text("k\(index % 13)")]) }
        }
        try tx.commit()
      }
      try store.settle()
      dumps.append(try dump(store.path))
      let tx = try store.begin(folding: false)
      #expect(try tx.sql("select count(*) from search where search match 'common'") != [.int(0)])
      try tx.rollback()
    }
    #expect(dumps[0] == dumps[1])
    #expect(dumps[0] == dumps[2])
  }

  @Test func `a bulk store rolls back, and is an ordinary one when it is finished`() throws {
    let scratch = try Scratch()
    let store = try ProjectionStore.create(
      path: scratch.file("b.sqlite"), schema: Self.schema,
      identity: StoreIdentity(handler: "p", kind: .projection, scriptVersion: "v1"), bulk: true)
    for keep in [true, false] {
      let tx = try store.begin(folding: true)
      try tx.row(.put, 0, [.text("\(keep)"), .int(keep ? 1 : 2)])
      try tx.write(.checkpoint([TopicPartition(topic: .events, partition: 0)], Position(keep ? 5 : 9)))
      if keep { try tx.commit() } else { try tx.rollback() }
    }
    try store.finish()
    let again = try ProjectionStore.open(path: store.path)
    #expect(try again.ledger().checkpoints.values.first == Position(5))
    let tx = try again.begin(folding: false)
    #expect(try tx.sql("select k from t") == [.text("true")])
    try tx.rollback()
  }

  @Test func `a statement that would not end is stopped at the same place each time`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    try tx.row(.put, 0, [.text("a"), .int(1)])
    // Steps are counted also where there is time enough.
    tx.timeLeft = .seconds(600)
    let endless = "with recursive n(i) as (select 1 union all select i + 1 from n)"
    let refusal = StoreError.refused("the statement took more than \(Limits.statementStepsMax) steps")
    #expect(throws: refusal) { try tx.sql(endless + " select count(*) from n") }
    #expect(try tx.row(.get, 0, [.text("a")]).0)
    #expect(throws: refusal) { try tx.sql(endless + " insert into t select i, i from n where i < 0") }
    // SQLite took the transaction away: nothing may be written outside of it.
    #expect(throws: StoreError.self) { try tx.row(.put, 0, [.text("b"), .int(2)]) }
    #expect(throws: StoreError.self) { try tx.commit() }
    try tx.rollback()
    let after = try store.begin(folding: false)
    #expect(try after.sql("select count(*) from t") == [.int(0)])
    try after.rollback()
  }
}

@testable import MoontideSQLite
import MoontideCore
import Testing

@Suite struct RowOperationTests {
  static let schema = """
    create table orders(order_id text primary key, customer text, status text not null,
      total integer default 7);
    create table revenue(user text primary key, cents integer, orders integer);
    create table journal(line text);
    create table pairs(a text, b integer, n integer, primary key(a, b)) without rowid;
    create virtual table search using fts5(order_id unindexed, customer, note);
    """

  @Test func `put creates a row, and keeps what a later put does not name`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    try tx.row(.put, 0, [.text("o1"), .text("ann"), .text("placed"), nil])
    #expect(try tx.row(.get, 0, [.text("o1")]).1 == [.text("o1"), .text("ann"), .text("placed"), .int(7)])
    try tx.row(.put, 0, [.text("o1"), nil, nil, .int(9)])
    #expect(try tx.row(.get, 0, [.text("o1")]).1 == [.text("o1"), .text("ann"), .text("placed"), .int(9)])
    #expect(try tx.row(.get, 0, [.text("o2")]) == (false, []))
    #expect(throws: StoreError.self) { try tx.row(.put, 0, [.text("o2"), .text("bob"), nil, nil]) }
    #expect(throws: StoreError.refused("put on orders needs its key: order_id is missing")) {
      try tx.row(.put, 0, [nil, .text("bob"), .text("x"), nil])
    }
    try tx.commit()
  }

  @Test func `update says whether there was a row, and delete too`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    #expect(try tx.row(.update, 0, [.text("o1"), nil, nil, .text("x"), nil]).0 == false)
    try tx.row(.put, 0, [.text("o1"), .text("ann"), .text("placed"), nil])
    #expect(try tx.row(.update, 0, [.text("o1"), nil, .null, .text("x"), nil]).0)
    #expect(try tx.row(.get, 0, [.text("o1")]).1 == [.text("o1"), .null, .text("x"), .int(7)])
    #expect(try tx.row(.delete, 0, [.text("o1")]).0)
    #expect(try tx.row(.delete, 0, [.text("o1")]).0 == false)
    try tx.commit()
  }

  @Test func `add counts NULL as 0 and creates the row with its defaults`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    try tx.row(.add, 1, [.text("u"), nil, .int(5), nil])
    #expect(try tx.row(.get, 1, [.text("u")]).1 == [.text("u"), .int(5), .null])
    try tx.row(.add, 1, [.text("u"), nil, .int(2), .int(1)])
    #expect(try tx.row(.get, 1, [.text("u")]).1 == [.text("u"), .int(7), .int(1)])
    try tx.row(.put, 0, [.text("o"), nil, .text("s"), nil])
    try tx.row(.add, 0, [.text("o"), nil, nil, nil, .int(3)])
    #expect(try tx.row(.get, 0, [.text("o")]).1.last == .int(10))
    #expect(throws: StoreError.self) { try tx.row(.add, 1, [.text("u"), nil, .text("2"), nil]) }
    try tx.commit()
  }

  @Test func `each goes in key order and takes conditions`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: false)
    for (a, b, n) in [("y", 1, 1), ("x", 2, 1), ("x", 1, 2)] {
      try tx.row(.put, 3, [.text(a), .int(Int64(b)), .int(Int64(n))])
    }
    #expect(
      try tx.row(.each, 3, [nil, nil, .int(1)]).1
        == [.text("x"), .int(2), .int(1), .text("y"), .int(1), .int(1)])
    try tx.row(.put, 2, [.text("b")])
    try tx.row(.put, 2, [.text("a")])
    #expect(try tx.row(.each, 2, [nil]).1 == [.text("b"), .text("a")])
    #expect(throws: StoreError.self) { try tx.row(.get, 2, []) }
    try tx.commit()
  }

  @Test func `a search model is kept by its key`() throws {
    let scratch = try Scratch()
    let store = try makeStore(scratch, Self.schema)
    #expect(store.tables[4].keyColumns == [0])
    let tx = try store.begin(folding: false)
    try tx.row(.put, 4, [.text("o1"), .text("ann"), .text("red shoes")])
    try tx.row(.put, 4, [.text("o2"), .text("bob"), .text("blue shoes")])
    try tx.row(.put, 4, [.text("o1"), nil, .text("green hat")])
    #expect(try tx.row(.get, 4, [.text("o1")]).1 == [.text("o1"), .text("ann"), .text("green hat")])
    #expect(try tx.sql("select order_id from search where search match 'shoes'") == [.text("o2")])
    #expect(try tx.row(.update, 4, [.text("o2"), nil, .text("eve"), nil]).0)
    #expect(try tx.row(.delete, 4, [.text("o1")]).0)
    try tx.sql("insert into search(order_id, customer, note) values ('o9', 'zoe', 'by hand')")
    try tx.row(.put, 4, [.text("o9"), nil, .text("by put")])
    #expect(try tx.row(.each, 4, [nil, nil, nil]).1.count == 6)
    try tx.commit()
    #expect(try ProjectionStore.open(path: scratch.file("p.sqlite")).tables == store.tables)
  }

  @Test func `a savepoint is gone back to`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    for folding in [false, true] {
      let tx = try store.begin(folding: folding)
      try tx.row(.add, 1, [.text("u"), nil, .int(1), nil])
      try tx.savepoint()
      try tx.row(.add, 1, [.text("u"), nil, .int(10), nil])
      try tx.rollbackToSavepoint()
      try tx.savepoint()
      try tx.row(.add, 1, [.text("u"), nil, .int(100), nil])
      #expect(try tx.row(.get, 1, [.text("u")]).1[1] == .int(101), "folding: \(folding)")
      try tx.rollback()
    }
  }
}

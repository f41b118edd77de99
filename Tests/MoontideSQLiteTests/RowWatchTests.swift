import Foundation
@testable import MoontideSQLite
import MoontideCore
import Testing

@Suite struct RowWatchTests {
  static let schema = """
    create table orders(order_id text primary key, customer text, status text not null, price real);
    create table pairs(a text, b integer, n integer, primary key(b, a)) without rowid;
    create table journal(line text);
    create table made(k text primary key, n integer, twice generated always as (n * 2) virtual,
      thrice generated always as (n * 3) stored, last text);
    create table made_too(n integer, twice generated always as (n * 2) virtual, k text primary key,
      last text) without rowid;
    create virtual table search using fts5(order_id unindexed, note);
    create virtual table pages using fts5(content);
    create virtual table notes using fts5(k unindexed, note, content='');
    create table original(k text, note text);
    create virtual table mirrored using fts5(k unindexed, note, content='original');
    """

  /// `update orders 'o1': status 'placed' -> 'paid'`, as the watch saw it.
  static func text(_ change: RowChange, _ watch: RowWatch) -> String {
    func row(_ start: Int?) -> String {
      guard start != nil else { return "-" }
      let buffer = RowBuffer()
      buffer.cells = Array(watch.row(change, at: start))
      buffer.bytes = watch.cells.bytes
      return zip(buffer.cells, buffer.values).map { $0.kind == .absent ? "?" : $1.description }
        .joined(separator: " ")
    }
    return "\(change.operation) \(watch.tables[change.table].name): \(row(change.old)) > \(row(change.new))"
  }

  /// What the watch saw since the last time.
  static func seen(_ watch: RowWatch) -> [String] {
    defer { watch.removeAll() }
    return watch.changes.map { text($0, watch) }
  }

  @Test func `each operation tells the row before and after`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let watch = try store.watch()
    let tx = try store.begin(folding: true)
    try tx.row(.put, 0, [.text("o1"), .text("ann"), .text("placed"), .int(3)])
    #expect(Self.seen(watch) == ["insert orders: - > 'o1' 'ann' 'placed' 3.0"])
    try tx.row(.put, 0, [.text("o1"), nil, .text("paid"), nil])
    #expect(Self.seen(watch) == ["update orders: 'o1' 'ann' 'placed' 3.0 > 'o1' 'ann' 'paid' 3.0"])
    try tx.row(.update, 0, [.text("o1"), nil, .null, nil, .real(0.5)])
    #expect(Self.seen(watch) == ["update orders: 'o1' 'ann' 'paid' 3.0 > 'o1' NULL 'paid' 0.5"])
    try tx.row(.update, 0, [.text("o9"), nil, .null, nil, nil])
    #expect(Self.seen(watch).isEmpty)
    try tx.row(.add, 1, [.int(1), .text("x"), nil, nil, .int(4)])
    try tx.row(.add, 1, [.int(1), .text("x"), nil, nil, .int(2)])
    #expect(Self.seen(watch) == ["insert pairs: - > 'x' 1 4", "update pairs: 'x' 1 4 > 'x' 1 6"])
    try tx.row(.delete, 1, [.int(1), .text("x")])
    #expect(Self.seen(watch) == ["delete pairs: 'x' 1 6 > -"])
    try tx.row(.put, 2, [.text("a")])
    try tx.row(.get, 0, [.text("o1")])
    try tx.row(.each, 0, [nil, nil, nil, nil])
    #expect(watch.changes.map(\.rowID) == [1])
    #expect(Self.seen(watch) == ["insert journal: - > 'a'"])
    try tx.commit()
  }

  @Test func `SQL tells every row that it changes`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let watch = try store.watch()
    let tx = try store.begin(folding: true)
    try tx.sql("insert into orders values ('o1', 'ann', 'placed', 1), ('o2', 'bob', 'placed', 2)")
    #expect(
      Self.seen(watch) == [
        "insert orders: - > 'o1' 'ann' 'placed' 1.0", "insert orders: - > 'o2' 'bob' 'placed' 2.0",
      ])
    try tx.sql("insert or replace into orders values ('o1', 'eve', 'paid', 1)")
    #expect(Self.seen(watch) == ["update orders: 'o1' 'ann' 'placed' 1.0 > 'o1' 'eve' 'paid' 1.0"])
    try tx.sql("update orders set order_id = 'o3' where order_id = 'o2'")
    #expect(Self.seen(watch) == ["update orders: 'o2' 'bob' 'placed' 2.0 > 'o3' 'bob' 'placed' 2.0"])
    try tx.sql("insert into pairs select customer, 1, 2 from orders order by 1 desc")
    #expect(Self.seen(watch) == ["insert pairs: - > 'eve' 1 2", "insert pairs: - > 'bob' 1 2"])
    try tx.sql("insert into pairs values ('eve', 1, 9) on conflict do update set n = excluded.n")
    #expect(Self.seen(watch) == ["update pairs: 'eve' 1 2 > 'eve' 1 9"])
    try tx.sql("update pairs set b = 2, n = n + 1 where a = 'bob'")
    #expect(Self.seen(watch) == ["update pairs: 'bob' 1 2 > 'bob' 2 3"])
    try tx.sql("delete from orders")
    #expect(
      Self.seen(watch).sorted() == [
        "delete orders: 'o1' 'eve' 'paid' 1.0 > -", "delete orders: 'o3' 'bob' 'placed' 2.0 > -",
      ])
    try tx.commit()
  }

  @Test func `generated columns do not move the others`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let watch = try store.watch()
    let tx = try store.begin(folding: false)
    try tx.row(.put, 3, [.text("k"), .int(2), .text("z")])
    try tx.row(.update, 3, [.text("k"), nil, .int(3), .text("y")])
    try tx.row(.delete, 3, [.text("k")])
    #expect(
      Self.seen(watch) == [
        "insert made: - > 'k' 2 'z'", "update made: 'k' 2 'z' > 'k' 3 'y'", "delete made: 'k' 3 'y' > -",
      ])
    try tx.row(.put, 4, [.int(2), .text("k"), .text("z")])
    try tx.row(.update, 4, [.text("k"), .int(3), nil, .text("y")])
    try tx.row(.delete, 4, [.text("k")])
    #expect(
      Self.seen(watch) == [
        "insert made_too: - > 2 'k' 'z'", "update made_too: 2 'k' 'z' > 3 'k' 'y'",
        "delete made_too: 3 'k' 'y' > -",
      ])
    try tx.commit()
  }

  @Test func `rows of full-text tables are seen as theirs`() throws {
    let scratch = try Scratch()
    let store = try makeStore(scratch, Self.schema)
    let watch = try store.watch()
    let tx = try store.begin(folding: true)
    try tx.row(.put, 5, [.text("o1"), .text("red shoes")])
    try tx.row(.put, 5, [.text("o1"), .text("green hat")])
    try tx.row(.update, 5, [.text("o1"), .text("o2"), nil])
    try tx.sql("update search set note = 'two' where order_id = 'o2'")
    try tx.row(.delete, 5, [.text("o2")])
    #expect(
      Self.seen(watch) == [
        "insert search: - > 'o1' 'red shoes'", "update search: 'o1' 'red shoes' > 'o1' 'green hat'",
        "update search: 'o1' 'green hat' > 'o2' 'green hat'", "update search: 'o2' 'green hat' > 'o2' 'two'",
        "delete search: 'o2' 'two' > -",
      ])
    try tx.row(.put, 6, [.text("one")])
    try tx.sql("delete from pages")
    #expect(Self.seen(watch) == ["insert pages: - > 'one'", "delete pages: 'one' > -"])
    try tx.row(.put, 7, [.text("n1"), .text("words")])
    #expect(Self.seen(watch) == ["insert notes: - > 'n1' ?"])
    try tx.row(.put, 8, [.text("m1"), .text("words")])
    #expect(Self.seen(watch) == ["insert original: - > 'm1' 'words'"])
    try tx.row(.put, 9, [.text("m1"), .text("words")])
    try tx.sql("update mirrored set note = 'more' where rowid = 1")
    try tx.row(.delete, 9, [.text("m1")])
    #expect(
      Self.seen(watch) == [
        "insert mirrored: - > 'm1' ?", "update mirrored: 'm1' ? > 'm1' ?", "delete mirrored: 'm1' ? > -",
      ])
    try tx.commit()
    try store.settle()
    #expect(watch.changes.isEmpty, "an index that is written anew changes no row")
  }

  @Test func `what is wanted, kept and undone is all that stays`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let watch = try store.watch()
    watch.wanted = [0]
    watch.keeps = { [unowned watch] change in
      let key = watch.row(change, at: change.new ?? change.old).first
      return key.map { watch.cells.bytes.text($0.part) } == "o1"
    }
    var asked = 0
    watch.locate = {
      asked += 1
      return ScriptLine(path: "handlers/x.lua", line: 7)
    }
    let tx = try store.begin(folding: true)
    for key in ["o1", "o2", "o3"] { try tx.row(.put, 0, [.text(key), .text("ann"), .text("s"), nil]) }
    try tx.row(.put, 2, [.text("journal")])
    let mark = watch.mark
    try tx.savepoint()
    try tx.row(.put, 0, [.text("o1"), .text("eve"), nil, nil])
    try tx.row(.put, 0, [.text("o2"), .text("eve"), nil, nil])
    #expect(watch.changes.count == 2 && asked == 2)
    try tx.rollbackToSavepoint()
    watch.undo(to: mark)
    #expect(watch.lines == [ScriptLine(path: "handlers/x.lua", line: 7)] && watch.changes[0].line == 0)
    #expect(Self.seen(watch) == ["insert orders: - > 'o1' 'ann' 's' NULL"])
    try tx.rollback()
  }

  /// Applies what the watch tells to a mirror of every table, and compares after each operation.
  @Test func `a mirror of what is told is the tables`() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("RowWatchTests seed \(seed)")
    var numbers = SeededNumbers(seed)
    let store = try makeStore(Scratch(), Self.schema)
    let watch = try store.watch()
    var mirror = [[String: Int]](repeating: [:], count: store.tables.count)
    let tx = try store.begin(folding: true)
    for step in 0..<400 {
      let key = Value.text("k\(Int.random(in: 0..<6, using: &numbers))")
      let number = Value.int(Int64.random(in: 0..<4, using: &numbers))
      switch Int.random(in: 0..<14, using: &numbers) {
      case 0: try tx.row(.put, 0, [key, key, .text("s"), number])
      case 1: try tx.row(.update, 0, [key, nil, .null, nil, number])
      case 2: try tx.row(.delete, 0, [key])
      case 3: try tx.row(.add, 1, [number, key, nil, nil, .int(1)])
      case 4: try tx.sql("update pairs set n = n + 1 where b = ?", [number])
      case 5: try tx.sql("insert or replace into orders select a, a, 'r', n from pairs where b = ?", [number])
      case 6: try tx.sql("delete from pairs where a = ?", [key])
      case 7: try tx.row(.put, 2, [key])
      case 8: try tx.sql("update journal set line = line || '+' where rowid % 4 = ?", [number])
      case 9: try tx.row(.put, 3, [key, number, key])
      case 10: try tx.row(.put, 4, [number, key, key])
      case 11: try tx.row(.put, 5, [key, .text("about \(step)")])
      case 12: try tx.row(.delete, 5, [key])
      default: try tx.sql("delete from journal where rowid % 3 = ?", [number])
      }
      for change in watch.changes {
        let parts = Self.text(change, watch).split(separator: ": ", maxSplits: 1)[1].components(
          separatedBy: " > ")
        if parts[0] != "-" {
          let before = mirror[change.table][parts[0]] ?? 0
          #expect(before > 0, "step \(step): \(parts[0]) was not in \(watch.tables[change.table].name)")
          mirror[change.table][parts[0]] = before == 1 ? nil : before - 1
        }
        if parts[1] != "-" { mirror[change.table][parts[1], default: 0] += 1 }
      }
      watch.removeAll()
      for index in 0..<6 {
        let table = store.tables[index]
        let columns = table.columns.joined(separator: ", ")
        let values = try tx.sql("select \(columns) from \(table.name)")
        var rows: [String: Int] = [:]
        for start in stride(from: 0, to: values.count, by: table.columns.count) {
          let row = values[start..<start + table.columns.count].map(\.description)
          rows[row.joined(separator: " "), default: 0] += 1
        }
        #expect(rows == mirror[index], "step \(step), \(table.name), seed \(seed)")
        if rows != mirror[index] { return }
      }
    }
    try tx.commit()
  }
}

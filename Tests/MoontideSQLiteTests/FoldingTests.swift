import Foundation
@testable import MoontideSQLite
import MoontideCore
import Testing

/// SplitMix64: the same numbers from the same seed everywhere.
struct SeededNumbers: RandomNumberGenerator {
  var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

@Suite struct FoldingTests {
  static let schema = """
    create table plain(k text primary key, a integer, b text, c real, d);
    create table counted(k text, n integer, total integer default 5, flag numeric,
      primary key(k, n)) without rowid;
    create table numbered(id integer primary key, name text not null, hits integer default 0);
    create index plain_by_b on plain(b);
    """
  static let widths = [5, 4, 3]
  static let keys = [[0], [0, 1], [0]]

  struct Step {
    var operation: RowOperation
    var table: Int
    var values: [Value?]
  }

  @Test func `the tables of a schema fold only where nothing can differ`() throws {
    let connection = try Connection("x", .memory)
    try connection.script(
      Self.schema + """
        create table unique_too(k text primary key, e text unique);
        create table checked(k text primary key, n integer check (n > 0));
        create table nocase(k text primary key collate nocase);
        create table strictly(k text primary key, n integer) strict;
        create table made(k text primary key, n integer, m generated always as (n + 1));
        create table real_key(k real primary key);
        create table keyless(k text);
        create table part(k text primary key, n integer); create index part_n on part(n) where n > 1;
        create table replacing(k text primary key on conflict replace);
        """)
    let foldable = try TableShape.all(in: connection).filter { $0.isFoldable }.map { $0.name }
    #expect(foldable == ["plain", "counted", "numbered"])
  }

  private static func randomValue(_ numbers: inout SeededNumbers, _ column: Int, _ table: Int) -> Value? {
    switch Int.random(in: 0..<100, using: &numbers) {
    case 0..<30: return nil
    case 30..<35: return .null
    case 35..<38: return .text("\(Int.random(in: 0..<9, using: &numbers))")
    case 38..<41: return .real(Double(Int.random(in: 0..<9, using: &numbers)) / 2)
    case 41..<43: return .int(Bool.random(using: &numbers) ? .max : .min)
    case 43..<45: return .blob([1, 2])
    default:
      let small = Int64.random(in: -3..<50, using: &numbers)
      switch (table, column) {
      case (0, 2), (2, 1): return .text("t\(small)" + String(repeating: "x", count: Int(small.magnitude % 7)))
      case (0, 3): return .real(Double(small) + 0.5)
      default: return .int(small)
      }
    }
  }

  private static func randomKey(_ numbers: inout SeededNumbers, _ table: Int) -> [Value?] {
    let oddity = Int.random(in: 0..<40, using: &numbers)
    let small = Int64.random(in: 0..<12, using: &numbers)
    switch table {
    case 0: return [oddity == 0 ? .int(small) : .text("key-\(small)")]
    case 1: return [.text("k\(small % 4)"), oddity == 0 ? .text("\(small)") : .int(small % 3)]
    default: return [oddity == 0 ? .text("\(small)") : .int(small)]
    }
  }

  static func steps(_ numbers: inout SeededNumbers, _ count: Int) -> [Step] {
    (0..<count).map { _ in
      let table = Int.random(in: 0..<3, using: &numbers)
      let key = randomKey(&numbers, table)
      var row = (0..<widths[table]).map { randomValue(&numbers, $0, table) }
      let operations: [RowOperation] = [
        .put, .put, .put, .put, .add, .add, .add, .add, .update, .get, .delete, .each,
      ]
      let operation = operations[Int.random(in: 0..<operations.count, using: &numbers)]
      switch operation {
      case .put:
        for (index, column) in keys[table].enumerated() { row[column] = key[index] }
        return Step(operation: operation, table: table, values: row)
      case .get, .delete: return Step(operation: operation, table: table, values: key)
      case .update, .add:
        for column in keys[table] { row[column] = nil }
        if operation == .add {
          for column in row.indices where row[column] != nil {
            if case .int = row[column] { continue }
            row[column] = Bool.random(using: &numbers) ? .int(1) : nil
          }
        }
        return Step(operation: operation, table: table, values: key + row)
      case .each: return Step(operation: operation, table: table, values: row.map { _ in nil })
      }
    }
  }

  /// Runs the steps as the runtime does: batches, and event by event once a batch fails.
  private static func run(_ steps: [Step], on store: ProjectionStore, batch: Int, folding: Bool) throws
    -> [String]
  {
    var answers: [String] = []
    var at = 0
    while at < steps.count {
      let part = steps[at..<min(at + batch, steps.count)]
      at += batch
      if folding {
        let tx = try store.begin(folding: true)
        do {
          let found = try part.map { step in
            "\(try tx.row(step.operation, step.table, step.values))"
          }
          try tx.commit()
          answers += found
          continue
        } catch is StoreError { try tx.rollback() }
      }
      let tx = try store.begin(folding: false)
      for step in part {
        try tx.savepoint()
        do { answers.append("\(try tx.row(step.operation, step.table, step.values))") } catch is StoreError {
          try tx.rollbackToSavepoint()
          answers.append("refused")
        }
      }
      try tx.commit()
    }
    return answers
  }

  @Test func `folded rows, rowids and answers are those of one operation after another`() throws {
    let again = ProcessInfo.processInfo.environment["MOONTIDE_SEED"].flatMap { UInt64($0) }
    let seed = again ?? UInt64.random(in: 0...UInt64.max)
    print("folding seed: \(seed)")
    for round in 0..<24 {
      var numbers = SeededNumbers(seed &+ UInt64(round))
      let steps = Self.steps(&numbers, 400)
      let scratch = try Scratch()
      let plain = try makeStore(scratch, Self.schema, name: "plain.sqlite")
      let expected = try Self.run(steps, on: plain, batch: 50, folding: false)
      let expectedDump = try dump(plain.path)
      for batch in [1, 7, 50, 400] {
        let folded = try makeStore(scratch, Self.schema, name: "folded-\(batch).sqlite")
        let answers = try Self.run(steps, on: folded, batch: batch, folding: true)
        for (index, answer) in answers.enumerated() where answer != expected[index] {
          let difference = "\(steps[index]): \(answer), not \(expected[index])"
          Issue.record("seed \(seed), round \(round), batch \(batch), step \(index) \(difference)")
          return
        }
        #expect(try dump(folded.path) == expectedDump, "seed \(seed), round \(round), batch \(batch)")
      }
    }
  }

  @Test func `well-behaved operations are merged, and a get is served from what is pending`() throws {
    let store = try makeStore(Scratch(), Self.schema)
    let tx = try store.begin(folding: true)
    for index in 0..<10 {
      try tx.row(.add, 1, [.text("k"), .int(1), nil, nil, .int(Int64(index)), nil])
      try tx.row(.put, 0, [.text("k"), .int(Int64(index)), .text("b\(index)"), .real(0.5), .null])
    }
    #expect(try tx.row(.get, 0, [.text("k")]).1 == [.text("k"), .int(9), .text("b9"), .real(0.5), .null])
    try tx.row(.update, 0, [.text("k"), nil, .int(77), nil, nil, nil])
    #expect(try tx.row(.get, 0, [.text("k")]).1[1] == .int(77))
    try tx.rollback()
  }

  @Test func `a sum that cannot be merged exactly asks for an unfolded run`() throws {
    let store = try makeStore(Scratch(), "create table t(k text primary key, n integer)")
    let tx = try store.begin(folding: false)
    try tx.row(.put, 0, [.text("real"), .real(0.1)])
    try tx.commit()
    let folded = try store.begin(folding: true)
    try folded.row(.add, 0, [.text("real"), nil, .int(1)])
    #expect(throws: StoreError.foldedConstraint("sums in t cannot be merged exactly")) { try folded.commit() }
    try folded.rollback()
    let again = try store.begin(folding: false)
    try again.row(.add, 0, [.text("real"), nil, .int(1)])
    #expect(try again.row(.get, 0, [.text("real")]).1[1] == .real(1.1))
    try again.commit()
  }
}

import MoontideCore
import Testing

@testable import MoontideSQLite

/// Two files are compared in one pass: that needs the order in which SQLite gives rows to be ours.
@Suite struct RowCursorTests {
  private static func value(_ random: inout SeededNumbers) -> Value {
    let edges: [Int64] = [
      .min, .min + 1, -1, 0, 1, 9_007_199_254_740_992, 9_007_199_254_740_993, .max - 1, .max,
    ]
    switch Int.random(in: 0..<8, using: &random) {
    case 0: return .null
    case 1: return .int(edges.randomElement(using: &random) ?? 0)
    case 2: return .int(Int64.random(in: -3...3, using: &random))
    case 3: return .real(Double(edges.randomElement(using: &random) ?? 0))
    case 4: return .real(Double(Int64.random(in: -6...6, using: &random)) / 2)
    case 5: return .text(["", "a", "A", "ab", "ä", "a\u{0}b"].randomElement(using: &random) ?? "")
    case 6: return .blob([[], [0], [255], [97], [97, 98]].randomElement(using: &random) ?? [])
    default: return .real([1e300, -1e300, 0.1, -0.1].randomElement(using: &random) ?? 0)
    }
  }

  @Test func `rows come in the order that rows are compared in`() throws {
    let seed = UInt64.random(in: 0...UInt64.max)
    var random = SeededNumbers(seed)
    let scratch = try Scratch()
    defer { withExtendedLifetime(scratch) {} }
    let store = try makeStore(
      scratch, "create table t(a, b collate nocase); create table k(a primary key, b);")
    let rows = (0..<2_000).map { _ in [Self.value(&random), Self.value(&random)] }
    let transaction = try store.begin(folding: false)
    for row in rows { try transaction.row(.put, 0, row.map { $0 }) }
    for row in rows where row[0] != .null { try transaction.row(.put, 1, row.map { $0 }) }
    try transaction.commit()
    let reader = try StoreReader(path: store.path)
    for (table, key) in [("t", []), ("t", [1]), ("k", [0])] {
      for isSorted in [false, true] {
        let cursor = try reader.rows(
          of: table, columns: ["a", "b"], key: key, isSorted: isSorted, clock: StepClock())
        var before: [Value]?
        var count = 0
        while try cursor.next() {
          if let before {
            let last = RowBuffer(before.map { $0 })
            let orders = (key + [0, 1]).map { last.order($0, against: cursor.row, kinds: key.isEmpty) }
            let first = orders.first { $0 != 0 } ?? 0
            #expect(first <= 0, "\(before) before \(cursor.row.values) of \(table) by \(key), seed \(seed)")
          }
          before = cursor.row.values
          count += 1
        }
        #expect(table == "k" || count == rows.count)
      }
    }
  }

  @Test func `integers and reals are compared exactly, and kinds are told apart`() {
    func order(_ one: Value, _ two: Value, kinds: Bool = false) -> Int {
      RowBuffer([one]).order(0, against: RowBuffer([two]), kinds: kinds).signum()
    }
    #expect(order(.int(9_007_199_254_740_993), .real(9_007_199_254_740_992)) == 1)
    #expect(order(.real(9_007_199_254_740_992), .int(9_007_199_254_740_993)) == -1)
    #expect(order(.int(.max), .real(9.3e18)) == -1)
    #expect(order(.int(.min), .real(-9.3e18)) == 1)
    #expect(order(.int(1), .real(1)) == 0)
    #expect(order(.int(1), .real(1), kinds: true) == -1)
    #expect(order(.real(1), .int(1), kinds: true) == 1)
    #expect(order(.null, .int(.min)) == -1)
    #expect(order(.text(""), .int(.max)) == 1)
    #expect(order(.blob([]), .text("zz")) == 1)
    #expect(!RowBuffer([.int(1)]).hasSame(0, as: RowBuffer([.real(1)])))
    #expect(!RowBuffer([.text("a")]).hasSame(0, as: RowBuffer([.blob([97])])))
    #expect(RowBuffer([.null]).hasSame(0, as: RowBuffer([.null])))
  }
}

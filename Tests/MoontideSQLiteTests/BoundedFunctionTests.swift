@testable import MoontideSQLite
import CSQLite
import MoontideCore
import Testing

/// Functions of ours in the place of SQLite's: the same answers, and an end.
@Suite struct BoundedFunctionTests {
  private func answers(_ connection: Connection, _ call: String, _ values: [String]) throws -> String {
    // Written out as SQL, so that every kind of value takes part.
    let full = values.enumerated().reduce("select quote(\(call))") { text, value in
      text.split(separator: "?\(value.offset + 1)", omittingEmptySubsequences: false)
        .joined(separator: value.element)
    }
    do throws(StoreError) {
      let written = try connection.prepare(full)
      guard try written.step() else { return "no row" }
      return written.text(0)
    } catch { return "error \(error.text)" }
  }

  @Test func `instr, replace, like, glob, trim and json_patch answer as SQLite's own`() throws {
    let plain = try Connection("plain", .memory)
    let bounded = try Connection("bounded", .memory)
    BoundedFunctions.install(on: bounded)
    let seed = UInt64.random(in: 0...UInt64.max)
    var generator = SplitMix(state: seed)
    let letters = [
      "a", "b", "A", "é", "É", "ab", "", "%", "_", "*", "?", "[ab]", "[^a]", "[a-c]", "\u{1F600}",
    ]
    func value() -> String {
      switch Int.random(in: 0..<12, using: &generator) {
      case 0: return "null"
      case 1: return String(Int.random(in: -12...12, using: &generator))
      case 2: return "1.5"
      case 3: return ["x'61'", "x'c3'", "x''", "x'a9'", "x'6162c3a9'"].randomElement(using: &generator)!
      case 4: return "'{\"a\":1,\"b\":{\"c\":2}}'"
      default:
        let count = Int.random(in: 0...6, using: &generator)
        return "'" + (0..<count).map { _ in letters.randomElement(using: &generator)! }.joined() + "'"
      }
    }
    let calls = [
      "instr(?1, ?2)", "replace(?1, ?2, ?3)", "?1 like ?2", "?1 like ?2 escape ?3", "?1 glob ?2",
      "?1 not like ?2", "like(?1, ?2)", "trim(?1, ?2)", "ltrim(?1, ?2)", "rtrim(?1, ?2)", "trim(?1)",
      "json_patch(?1, ?2)", "typeof(replace(?1, ?2, ?3))", "typeof(trim(?1, ?2))",
    ]
    for round in 0..<4_000 {
      let values = [value(), value(), value()]
      let call = calls[round % calls.count]
      let full = { (connection: Connection) in try self.answers(connection, call, values) }
      let (theirs, ours) = (try full(plain), try full(bounded))
      #expect(theirs == ours, "\(call) of \(values), seed \(seed)")
    }
  }

  @Test func `a product of lengths that would take seconds is refused`() throws {
    let connection = try Connection("bounded", .memory)
    BoundedFunctions.install(on: connection)
    let texts = "replace(hex(zeroblob(1000000)), '00', 'a')"
    for call in ["\(texts) like \(texts)", "\(texts) glob \(texts)", "trim(\(texts), \(texts))"] {
      let statement = try connection.prepare("select \(call)")
      #expect(throws: StoreError.self, "\(call)") { try statement.step() }
    }
    let found = try connection.prepare("select instr(\(texts), \(texts) || 'b')")
    #expect(try found.step())
    #expect(found.integer(0) == 0)
  }
}

/// A generator that a seed repeats. <https://prng.di.unimi.it/splitmix64.c>
private struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}

import MoontideCore
import MoontideJSON
import Testing

struct DamagedLineTests {
  /// SplitMix64: small, and the same everywhere.
  struct Seeded: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var z = state
      z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
      z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
      return z ^ (z >> 31)
    }
  }

  @Test func `a line that is damaged at random is taken whole or refused by a rule`() throws {
    let seed = UInt64.random(in: .min ... .max)
    print("seed \(seed)")
    var random = Seeded(state: seed)
    let good = Array(
      (#"{"id":"a\u00e9","source":"s","type":"T","version":2,"time":"2020-01-01T00:00:00Z","meta":{},"#
        + #""data":{"n":[1,-2.5e3,9223372036854775807,true,null],"t":"é\ud83d\ude00\n","o":{"x":{}}}}"#).utf8)
    let marks = Array("{}[]:,\"\\0123456789eE.-tfnu \n\u{0}".utf8) + [0x80, 0xC3, 0xED, 0xFF]
    var taken = 0
    for round in 0..<20_000 {
      var line = good
      for _ in 0..<Int.random(in: 1...3, using: &random) where !line.isEmpty {
        let at = Int.random(in: 0..<line.count, using: &random)
        let mark = marks.randomElement(using: &random) ?? 0
        switch UInt8.random(in: 0..<4, using: &random) {
        case 0: line[at] = mark
        case 1: line.insert(mark, at: at)
        case 2: line.remove(at: at)
        default: line.removeSubrange(at...)
        }
      }
      do throws(EnvelopeFault) {
        let parsed = try ParsedLine(bytes: line)
        taken += 1
        // What was taken can be read again and says the same.
        let tree = try JSONValue(parsing: parsed.text(\.data))
        #expect(try JSONValue(parsing: tree.compact) == tree, "seed \(seed), round \(round)")
      } catch {
        let names = ["must", "may", "has no field"].contains { error.reason.contains($0) }
        #expect(error.code.hasPrefix("E02") && names, "seed \(seed), round \(round): \(error)")
        // Where the slow parser finds nothing, the fast one's own words are shown: they must agree.
        #expect(!error.reason.contains("JSON document"), "seed \(seed), round \(round): \(error)")
      }
    }
    #expect(taken > 100, "seed \(seed): only \(taken) lines were taken")
  }
}

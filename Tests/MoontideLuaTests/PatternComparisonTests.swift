import CLuaLibrary
import Foundation
import Testing

@testable import MoontideLua

/// Our matcher beside the one of liblua, without our library, on random patterns and subjects: the same
/// finds, captures, replacements and messages. `MOONTIDE_PATTERNS` sets how many, `MOONTIDE_SEED` repeats.
@Suite struct PatternComparisonTests {
  /// Runs each function on a case; what it gives, or its message, is a line of numbers and words.
  private static let harness = """
    local function show(...)
      local out = {}
      for i = 1, select("#", ...) do
        local value = select(i, ...)
        if type(value) == "string" then
          out[i] = "'" .. table.concat({ value:byte(1, -1) }, " ") .. "'"
        else
          out[i] = tostring(value)
        end
      end
      return table.concat(out, ",")
    end
    local function case(pattern, subject, from)
      print(show(pcall(string.find, subject, pattern, from)))
      print(show(pcall(string.match, subject, pattern, from)))
      print(show(pcall(string.gsub, subject, pattern, "<%0>")))
      print(show(pcall(string.gsub, subject, pattern, "%1", 2)))
      print(show(pcall(function()
        local list = {}
        for a, b in subject:gmatch(pattern) do list[#list + 1] = show(a, b) end
        return table.concat(list, ";")
      end)))
    end

    """

  @Test func `random patterns find what stock Lua finds`() throws {
    let environment = ProcessInfo.processInfo.environment
    let cases = environment["MOONTIDE_PATTERNS"].flatMap(Int.init) ?? 3_000
    let seed = environment["MOONTIDE_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: .min ... .max)
    print("patterns: \(cases) with MOONTIDE_SEED=\(seed)")
    var random = Generator(state: seed)
    var bench = try Bench()
    var found = 0
    for round in 0..<(cases + 4) / 5 {
      // A state keeps what it has loaded.
      if round % 500 == 499 { bench = try Bench() }
      let calls = (0..<5).map { _ in
        let (pattern, subject) = (random.pattern(), random.subject())
        return "case(\(literal(pattern)), \(literal(subject)), \(Int.random(in: -3...6, using: &random)))"
      }
      let text = calls.joined(separator: "\n")
      let ours = try bench.lines(text, before: Self.harness)
      let stock = try stockLines(Self.harness + text)
      try #require(ours.count == 25 && stock.count == 25, "\(ours.count), \(stock.count) lines of \(text)")
      for (index, (one, other)) in zip(ours, stock).enumerated() where one != other {
        Issue.record("seed \(seed): \(calls[index / 5]): line \(index % 5): \(one), stock Lua says \(other)")
        return
      }
      found += stock.count { $0.hasPrefix("true,") && $0 != "true,nil" }
    }
    // Random text that never matched would compare nothing.
    #expect(found > cases, "\(found) lines with a result")
  }

  /// What the text prints in a state of liblua with its own libraries.
  private func stockLines(_ text: String) throws -> [String] {
    let whole =
      "local lines = {} local function print(line) lines[#lines + 1] = line end "
      + text + " return table.concat(lines, \"\\n\")"
    guard let state = luaL_newstate() else { throw Unexpected(what: "no memory for a Lua state") }
    defer { lua_close(state) }
    luaL_openlibs(state)
    // Named like the script of ours, for the places in messages.
    let loaded = luaL_loadbufferx(state, whole, whole.utf8.count, "@handlers/t.lua", "t")
    let status = loaded == 0 ? lua_pcallk(state, 0, 1, 0, 0, nil) : loaded
    guard let result = lua_tolstring(state, -1, nil) else { throw Unexpected(what: "status \(status)") }
    return String(cString: result).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  private func literal(_ bytes: [UInt8]) -> String {
    "\""
      + bytes.map { "\\" + String(repeating: "0", count: $0 < 10 ? 2 : $0 < 100 ? 1 : 0) + String($0) }
      .joined() + "\""
  }

  /// SplitMix64.
  private struct Generator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }

    private mutating func one(_ texts: [String]) -> String {
      texts[Int.random(in: 0..<texts.count, using: &self)]
    }

    mutating func subject() -> [UInt8] {
      (0..<Int.random(in: 0...14, using: &self)).map { _ in
        Array("aaabbbc()[]%-.^$ 12A_\n\u{0}".utf8 + [0xe9, 0x80]).randomElement(using: &self) ?? 0
      }
    }

    /// Half of them are made of items as a person writes them, half of whatever letters.
    mutating func pattern() -> [UInt8] {
      if Bool.random(using: &self) {
        return (0..<Int.random(in: 0...8, using: &self)).map { _ in
          Array("ab()%[]^$*+-?.1f\u{0}".utf8).randomElement(using: &self) ?? 0
        }
      }
      var text = one(["", "", "", "^"])
      var open = 0
      for _ in 0..<Int.random(in: 1...5, using: &self) {
        if open < 3, Int.random(in: 0..<4, using: &self) == 0 {
          text += "("
          open += 1
        }
        text += one([
          "a", "b", "c", ".", "%a", "%A", "%d", "%w", "%W", "%s", "%S", "%p", "%x", "%u", "%l", "%c", "%g",
          "%z",
          "[ab]", "[^ab]", "[a-c1]", "[%a_]", "[^%s]", "[]]", "[^]]", "[a-]", "[%]]", "%(", "%%", "()",
          "%b()",
          "%b[]", "%f[%a]", "%f[^ab]", "%1", "%2",
        ])
        text += one(["", "", "", "*", "+", "-", "?"])
        if open > 0, Bool.random(using: &self) {
          text += ")"
          open -= 1
        }
      }
      return Array((text + String(repeating: ")", count: open) + one(["", "", "$"])).utf8)
    }
  }
}

import MoontideCore
import Testing

@testable import MoontideLua

@Suite struct StubsTests {
  @Test func `the stubs are Lua and name what is there`() throws {
    let bench = try Bench()
    #expect(Stubs.luaCATS.hasPrefix("---@meta\n"))
    // Declarations assign to read-only libraries, so the text is compiled inside a function that never runs.
    let text = "local function never()\n" + Stubs.luaCATS + "\nend"
    _ = try bench.state.load(ScriptSource(path: "stubs.lua", text: Array(text.utf8)))
    for entry in Stubs.entries {
      let place = entry.name
        .replacing("Table:", with: "db.orders.").replacing("Database:", with: "db.")
        .replacing("Context.", with: "ctx.")
      let power: LuaPower = place.hasPrefix("db") ? .projection : .consumer
      let lines = try bench.lines("print(\(place) ~= nil, type(\(place)))", power: power)
      let kind = entry.parameters != nil ? "function" : entry.name == "null" ? "null" : "table"
      #expect(lines == ["true\t\(kind)"], "\(entry.name)")
    }
  }

  @Test func `every entry has a line of its own`() {
    #expect(Set(Stubs.entries.map(\.name)).count == Stubs.entries.count)
    for entry in Stubs.entries {
      #expect(entry.doc.hasSuffix(".") && !entry.doc.contains("\n"), "\(entry.name): \(entry.doc)")
    }
  }
}

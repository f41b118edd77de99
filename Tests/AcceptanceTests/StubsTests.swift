import Foundation
import Testing

/// What editors are told of the handlers' world, against that world itself.
@Suite struct StubsTests {
  /// Names that Lua 5.4 has by itself, which editors know, and what a later version builds.
  private static let known: Set = [
    "_G", "_VERSION", "assert", "coroutine", "error", "getmetatable", "ipairs", "math", "next", "os", "pairs",
    "pcall", "print", "rawequal", "rawget", "rawlen", "rawset", "require", "select", "setmetatable", "string",
    "table", "tonumber", "tostring", "type", "utf8", "xpcall", "saga",
  ]

  private func stubs(_ project: TestProject) throws -> String {
    let made = project.path + "/made"
    _ = try Binary.succeed(["new", made])
    return try String(contentsOfFile: made + "/.moontide/stubs/moontide.lua", encoding: .utf8)
  }

  /// What a consumer prints when it handles one event.
  private func printed(_ project: TestProject, _ body: String, head: String = "") throws -> [String] {
    try project.write(
      head + #"consumer "asking" { from = "start", on = { Asked = function(event, ctx) \#(body) end } }"#,
      to: "handlers/asking.lua")
    _ = try Binary.succeed(["-C", project.path, "append", "Asked", "-d", "{}"])
    let outcome = try Binary.run(["run", project.path, "--once"])
    return outcome.errors.split(separator: "\n").filter { $0.hasPrefix("asking ") }
      .flatMap { $0.split(separator: ":", maxSplits: 2).last?.split(separator: " ") ?? [] }.map(String.init)
  }

  @Test func `the stubs are Lua and name every global`() throws {
    let project = try TestProject()
    let text = try stubs(project)
    // Declarations assign to read-only libraries, so the text is compiled inside a function that never runs.
    try project.write("local function never()\n\(text)\nend\nreturn {}", to: "lib/stubs.lua")
    let globals = try printed(
      project,
      #"local names = {} for name in pairs(_G) do names[#names + 1] = name end "#
        + #"print(table.concat(names, " "))"#, head: #"require "lib.stubs" "#)
    #expect(globals.contains("decider") && globals.contains("reject"), "\(globals)")
    for name in Set(globals).subtracting(Self.known) {
      let isThere =
        text.contains("\nfunction \(name)(") || text.contains("\n\(name) = {}")
        || text.contains("    function \(name)(") || text.contains("    \(name) = {}")
      #expect(isThere, "the stubs do not name \(name)")
    }
  }

  @Test func `what the stubs name is there`() throws {
    let project = try TestProject()
    let text = try stubs(project)
    let functions = text.split(separator: "\n").compactMap { line in
      line.hasPrefix("function ") ? line.dropFirst(9).prefix { $0 != "(" }.description : nil
    }
    #expect(functions.count > 15, "\(functions)")
    let asked = functions.filter { name in
      ["Table:", "Database:", "SagaContext."].allSatisfy { !name.contains($0) }
    }
    .map { $0.replacingOccurrences(of: "Context.", with: "ctx.") }
    let kinds = try printed(project, "print(\(asked.map { "type(\($0))" }.joined(separator: " .. ' ' .. ")))")
    #expect(kinds.count == asked.count && kinds.allSatisfy { $0 == "function" }, "\(asked): \(kinds)")
  }

  @Test(arguments: [
    ("Projection", #"projection "p" { schema = "create table t(a primary key)", on = {}, zz = 1 }"#),
    ("Consumer", #"consumer "c" { on = {}, zz = 1 }"#),
    ("Saga", #"saga "s" { starts_on = "A", on = {}, zz = 1 }"#),
    ("Decider", #"decider "d" { decide = {}, evolve = {}, zz = 1 }"#),
  ])
  func `the stubs name every key of a definition`(kind: String, script: String) throws {
    let project = try TestProject()
    let text = try stubs(project)
    try project.write(script, to: "handlers/a.lua")
    let told = try Binary.run(["check", project.path]).errors
    let list = told.split(separator: "\n").first { $0.contains("the keys are: ") } ?? ""
    let keys = Set(list.split(separator: ": ").last?.split(separator: ", ").map(String.init) ?? [])
    #expect(keys.count >= 5, "\(told)")
    let start = text.range(of: "---@class \(kind)Definition\n")?.upperBound ?? text.endIndex
    let fields = Set(
      text[start...].split(separator: "\n").prefix { $0.hasPrefix("---@field") }.map {
        $0.dropFirst(10).prefix { $0 != " " && $0 != "?" }.description
      })
    #expect(fields == keys)
  }
}

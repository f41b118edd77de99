import MoontideCore
import MoontideLua
import Testing

@testable import MoontideRuntime

private func tokens(_ text: String) -> ScriptTokens {
  ScriptTokens(ScriptSource(path: "handlers/a.lua", text: Array(text.utf8)))
}

struct ScriptTests {
  @Test func `tokens are those of Lua 5.4`() {
    let script = tokens(
      """
      local x <const> = 0x1p-4 -- note
      --[==[ long
      ]] ]==] return a..b, 3..4, "a\\"b", 'c', [[d
      ]], x//2 ~= y::z
      """)
    let texts: [String] = script.tokens.map { script.text($0) }
    let wanted: [String] = [
      "local", "x", "<", "const", ">", "=", "0x1p-4", "return", "a", "..", "b", ",", "3..4", ",",
      "\"a\\\"b\"",
      ",", "'c'", ",", "[[d\n]]", ",", "x", "//", "2", "~=", "y", "::", "z",
    ]
    #expect(texts == wanted)
    #expect(script.tokens.last?.line == 4)
    #expect(script.tokens[7].line == 3)
  }

  @Test func `a comment or a space changes no version, any token does`() {
    let one = tokens("local a = 1 return a").digest
    #expect(tokens("-- why\nlocal   a = 1 --[[ x ]]\n\nreturn a\n").digest == one)
    #expect(tokens("local a = 2 return a").digest != one)
    #expect(tokens("local a = '1' return a").digest != one)
    #expect(tokens("local ab = 1 return a").digest != tokens("local a = 1 return ab").digest)
  }

  @Test func `the content of a string leads back to its place`() {
    let script = tokens("s = \"a\\n\\065\\x42\\u{e4}\\z   c\" t = [[\nx\ny]]")
    let short = script.tokens[2]
    #expect(script.content(of: short) == Array("a\nABäc".utf8))
    #expect(script.byte(ofContent: 6, in: short) == 27)
    let long = script.tokens[5]
    #expect(script.content(of: long) == Array("x\ny".utf8))
    #expect(script.byte(ofContent: 2, in: long).map { script.line(ofByte: $0) } == 3)
  }

  @Test func `keys and values of a definition are found where they are written`() throws {
    let script = tokens(
      """
      consumer "c" {
        on = { A = function(e) if e then local t = { x = 1 } end end, ["B*"] = f },
        retry = { attempts = 3 },
        topics = { "a", "b" },
      }
      """)
    let outline = try #require(TableOutline(kind: "consumer", name: "c", line: 1, in: script))
    #expect(outline.fields.map(\.key) == ["on", "retry", "topics"])
    #expect(outline.field(["on"])?.children.map(\.key) == ["A", "B*"])
    let attempts = try #require(outline.field(["retry", "attempts"]))
    #expect(script.place(of: script.tokens[attempts.valueToken]).column == 24)
    let second = try #require(outline.field(["topics", "[2]"]))
    #expect(script.text(script.tokens[second.valueToken]) == "\"b\"")
  }

  @Test func `a place shows the line and points at characters, not bytes`() {
    let script = tokens("x = 1\n  local ä = 'ö', event.data.customer.email\n")
    let place = script.place(line: 2, blaming: "customer", label: "nil here")
    #expect(place.column == 29 && place.width == 8)
    #expect(place.excerpt == "  local ä = 'ö', event.data.customer.email")
    #expect(script.place(line: 2, blaming: "absent").column == nil)
  }

  @Test func `a module counts to the version of what requires it, directly or not`() {
    func library(_ deep: String) -> ScriptLibrary {
      func source(_ path: String, _ text: String) -> ScriptSource {
        ScriptSource(path: path, text: Array(text.utf8))
      }
      return ScriptLibrary(
        handlers: [source("handlers/a.lua", "local m = require 'lib.a'")],
        modules: [
          "lib.a": source("lib/a.lua", "return require(\"lib.b\")"), "lib.b": source("lib/b.lua", deep),
          "lib.c": source("lib/c.lua", deep),
        ])
    }
    let one = library("return 1")
    #expect(one.modules(requiredBy: "handlers/a.lua", loaded: []) == ["lib.a", "lib.b"])
    #expect(one.modules(requiredBy: "handlers/a.lua", loaded: ["lib.c"]) == ["lib.a", "lib.b", "lib.c"])
    let version = one.version(of: "handlers/a.lua", loaded: [])
    #expect(version != library("return 2").version(of: "handlers/a.lua", loaded: []))
    #expect(version == library("return 1 -- one").version(of: "handlers/a.lua", loaded: []))
  }

  @Test func `a function that assigns a local of its file is reported, a local of its own is not`() {
    let script = tokens(
      """
      local count, limit = 0, 5
      consumer "c" { on = {
        A = function(event, ctx) count = count + 1 end,
        B = function(event, ctx) local count = 1; count = 2 end,
        C = function(event, limit) limit = 3; ctx.count = 1; return { count = 1 } end,
      } }
      """)
    let warnings = LocalAssignments(script).warnings
    #expect(warnings.map { $0.place?.line } == [3])
    #expect(warnings.first?.severity == .warning)
  }

  @Test func `a function that changes a table of its file is reported, one that reads it is not`() {
    let script = tokens(
      """
      local seen, names, money = {}, { a = 1 }, require "lib.money"
      seen.first = 1
      consumer "c" { on = {
        A = function(event, ctx) seen[event.key] = true end,
        B = function(event, ctx) seen.deep.er["x"].y = event.id; return seen[event.key] == 1 end,
        C = function(event, ctx) table.insert(seen, event.id) end,
        D = function(event, ctx) local seen = {}; seen.x = 1; ctx.state.seen = seen[1] end,
        E = function(event, ctx) local n = names[event.key] or money.of(names.a); ctx.state.names = 2 end,
        F = function(event, ctx) ctx.state[names.a] = 1; table.concat(names) end,
      } }
      """)
    let warnings = LocalAssignments(script).warnings
    #expect(warnings.map { $0.place?.line } == [4, 5, 6])
    #expect(warnings.first?.title.hasPrefix("`seen` is a table of the file and is changed") == true)
  }
}

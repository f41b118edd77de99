import MoontideCore
import Testing

@testable import moontide

@Suite struct ReplParsingTests {
  /// The kinds and texts of all that lines come to.
  private func inputs(_ lines: [String]) -> [String] {
    var splitter = StatementSplitter()
    var found: [StatementSplitter.Input] = []
    for (index, line) in lines.enumerated() { found += splitter.take(line, number: index + 1) }
    if let rest = splitter.end() { found.append(rest) }
    return found.map { "\($0.line) \($0.kind) \($0.text)" }
  }

  @Test func `a statement goes on until its semicolon, whatever its quotes and comments hold`() {
    #expect(inputs(["select 1;"]) == ["1 sql select 1"])
    #expect(inputs(["select 1", "  from t", ";"]) == ["1 sql select 1\n  from t"])
    #expect(inputs(["select 'a;b', \"c;d\", [e;f], `g;h`;"]) == ["1 sql select 'a;b', \"c;d\", [e;f], `g;h`"])
    #expect(inputs(["select 'it''s;' -- ; no", "/* ; */ ;"]) == ["1 sql select 'it''s;' -- ; no\n/* ; */"])
    #expect(inputs(["select 'a", "", "b';"]) == ["1 sql select 'a\n\nb'"])
    #expect(
      inputs(["select 1; select 2;select 3"]) == ["1 sql select 1", "1 sql select 2", "1 sql select 3"])
  }

  @Test func `comments and blanks in front are no part of a statement`() {
    #expect(inputs(["-- a title", "", "select 1;"]) == ["3 sql select 1"])
    #expect(inputs(["/* two", "lines */ select 1;"]) == ["2 sql select 1"])
    #expect(inputs(["-- nothing", ";;", "  "]) == [])
  }

  @Test func `a dot, an equals sign and a greater sign begin other things, but not within a statement`() {
    #expect(
      inputs([" .mode csv ", "= 1 + 1", "> x = 1"]) == [
        "1 dot .mode csv", "2 luaExpression 1 + 1", "3 luaStatements x = 1",
      ])
    #expect(inputs(["select 1", "> 2", ".5;"]) == ["1 sql select 1\n> 2\n.5"])
  }

  @Test func `Lua that is not whole takes the next line`() {
    var splitter = StatementSplitter()
    let first = splitter.take("= {", number: 1)
    splitter.hold(first[0])
    #expect(splitter.isPending)
    let whole = splitter.take(".5 }", number: 2)
    #expect(whole.map(\.text) == ["{\n.5 }"])
    #expect(!splitter.isPending)
  }

  @Test func `a statement is one line of history that means the same`() {
    #expect(StatementSplitter.oneLine("select 1,\n    2 -- why\nfrom t;") == "select 1, 2 from t;")
    #expect(StatementSplitter.oneLine("select '-- no', '/* no';") == "select '-- no', '/* no';")
    #expect(StatementSplitter.oneLine("select 1 /* a\nb */;") == "select 1 /* a b */;")
    #expect(StatementSplitter.oneLine("select 'a\n  b';") == "select 'a\n  b';")
  }

  @Test func `a misspelt command is told with the nearest one`() throws {
    let (command, rest) = try DotCommand.parse(".AS-OF last tuesday")
    #expect(command == .asOf && rest == "last tuesday")
    #expect(try DotCommand.parse(".exit").command == .quit)
    let fault = #expect(throws: Diagnostic.self) { _ = try DotCommand.parse(".tabels") }
    #expect(fault?.code == "E0697")
    #expect(fault?.details.first?.text == "did you mean .tables?")
    for command in DotCommand.allCases {
      #expect(DotCommand.list.contains(command.usage), ".help does not show \(command.usage)")
    }
  }

  @Test func `words may stand in quotes`() {
    #expect(DotRun.words("orders o-77") == ["orders", "o-77"])
    #expect(DotRun.words(" 'two words'  \"it's\" x") == ["two words", "it's", "x"])
    #expect(DotRun.words("") == [])
  }

  @Test func `the title of a saved query is its first comment`() {
    #expect(SavedQueries.title("-- Orders by status\nselect 1;") == "Orders by status")
    #expect(SavedQueries.title("\n--- x\nselect 1;") == "x")
    #expect(SavedQueries.title("select 1; -- no") == "")
  }

  @Test func `the prompt shows what past is asked`() throws {
    var settings = ReplSettings(mode: .table)
    #expect(settings.prompt("shop") == "shop> ")
    settings.asOf = ("2026-11-17", try PastOptions.moment("2026-11-17"))
    #expect(settings.prompt("shop") == "shop @2026-11-17> ")
    #expect(settings.continuation("shop").count == settings.prompt("shop").count)
    settings.asOf = ("2026-11-17T09:14:03.5Z", try PastOptions.moment("2026-11-17T09:14:03.5Z"))
    settings.asKnown = ("#48211", try PastOptions.moment("#48211"))
    #expect(settings.prompt("shop") == "shop @2026-11-17T09:14:03Z known@#48211> ")
  }
}

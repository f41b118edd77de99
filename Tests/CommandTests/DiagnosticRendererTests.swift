import MoontideCore
import Testing

@testable import moontide

struct DiagnosticRendererTests {
  private let plain = DiagnosticRenderer(.text, terminal: .none)

  private let receipts = Diagnostic(
    code: "E0301",
    "consumer receipts failed on OrderPlaced: attempt to index a nil value (field 'customer')",
    at: SourcePlace(
      file: "handlers/receipts.lua", line: 24, column: 23, width: 8, label: "nil here",
      excerpt: "      to = event.data.customer.email,"),
    details: [
      .init("event", "events/1@1042 (#48211) · id om-77 · OrderPlaced v1 · key o-77 · 2026-11-16T09:14:03Z"),
      .init("note", "event.data has: amount, name, order_id; no upcaster leads from version 1 to 3"),
      .init(
        "state", "attempt 5 of 5 → dead letter d-1; 3 later events of key o-77 are held, other keys go on"),
      .init("help", "moontide dead show d-1 · moontide explain E0301"),
    ])

  @Test func `an error looks as the contract of the command line shows it`() {
    #expect(
      plain.render(receipts) == """
        error[E0301]: consumer receipts failed on OrderPlaced: attempt to index a nil value (field 'customer')
          --> handlers/receipts.lua:24:23
           |
        24 |       to = event.data.customer.email,
           |                       ^^^^^^^^ nil here
           = event: events/1@1042 (#48211) · id om-77 · OrderPlaced v1 · key o-77 · 2026-11-16T09:14:03Z
           = note:  event.data has: amount, name, order_id; no upcaster leads from version 1 to 3
           = state: attempt 5 of 5 → dead letter d-1; 3 later events of key o-77 are held, other keys go on
           = help:  moontide dead show d-1 · moontide explain E0301

        """)
  }

  @Test func `colours change nothing but the colours`() {
    let colored = DiagnosticRenderer(.text, terminal: Terminal(isTerminal: true, columns: 120, colors: true))
    let text = colored.render(receipts)
    #expect(text.hasPrefix("\u{1b}[1;31merror[E0301]\u{1b}[0m"))
    #expect(text.replacing(/\u{1b}\[[0-9;]*m/, with: "") == plain.render(receipts))
  }

  @Test func `an error without a place keeps its details aligned`() {
    let diagnostic = Diagnostic(.warning, code: "E0601", "the lock is held", details: [.init("help", "wait")])
    #expect(plain.render(diagnostic) == "warning[E0601]: the lock is held\n   = help: wait\n")
  }

  @Test func `a place without an excerpt is an arrow and its label`() {
    let place = SourcePlace(file: "events/a.jsonl", line: 3, label: "byte 120")
    #expect(
      plain.render(Diagnostic(code: "E0201", "no JSON", at: place))
        == "error[E0201]: no JSON\n --> events/a.jsonl:3 · byte 120\n")
  }

  @Test func `the caret stands below its character behind tabs and wide letters`() {
    let place = SourcePlace(file: "a.lua", line: 7, column: 4, width: 2, excerpt: "\tä日xy")
    #expect(
      plain.render(Diagnostic(code: "E1", "t", at: place)) == """
        error[E1]: t
         --> a.lua:7:4
          |
        7 |     ä日xy
          |        ^^

        """)
  }

  @Test func `a long line is cut around its caret`() {
    let text = String(repeating: "a", count: 3_000) + "X" + String(repeating: "b", count: 3_000)
    let line = ExcerptLine(text, column: 3_001, width: 1, columns: 60)
    #expect(DisplayText.width(line.text) <= 60)
    #expect(line.text.hasPrefix("…a") && line.text.hasSuffix("b…"))
    #expect(
      Array(line.text)[line.caretIndent] == "X", "the caret is below \(Array(line.text)[line.caretIndent])")
    #expect(line.caretCount == 1)
  }

  @Test(arguments: 1...40) func `a cut never loses the caret`(column: Int) {
    let text = (0..<40).map { $0.isMultiple(of: 3) ? "日" : "\($0 % 10)" }.joined()
    let line = ExcerptLine(text, column: column, width: 1, columns: 20)
    #expect(DisplayText.width(line.text) <= 20, "\(line.text)")
    var at = 0
    var below: Character?
    for character in line.text {
      if at == line.caretIndent { below = character }
      at += DisplayText.width(character)
    }
    #expect(below == Array(text)[column - 1], "caret at \(line.caretIndent) of \(line.text)")
  }

  @Test func `a caret behind the end of the line stays near it`() {
    let line = ExcerptLine("abc", column: 40, width: 5, columns: 60)
    #expect(line.caretIndent == 3)
    #expect(line.caretCount == 1)
  }

  @Test func `control characters of a script do not reach the terminal`() {
    let place = SourcePlace(file: "a\u{1b}[2J.lua", line: 1, column: 1, excerpt: "x\u{1b}]0;owned\u{7}")
    let text = plain.render(Diagnostic(code: "E1", "bad\u{1b}[1m", at: place))
    #expect(!text.contains("\u{1b}") && !text.contains("\u{7}"), "\(text.debugDescription)")
  }

  @Test func `a detail of several lines is indented below its text`() {
    let diagnostic = Diagnostic(code: "E1", "t").adding("note", "one\ntwo")
    #expect(plain.render(diagnostic) == "error[E1]: t\n   = note: one\n           two\n")
  }

  @Test func `as JSON an error is one line in a fixed order`() {
    let place = SourcePlace(file: "a.lua", line: 2, column: 3, width: 4, label: "here", excerpt: "\t\"x\"")
    let json = DiagnosticRenderer(.json, terminal: .none)
    let diagnostic = Diagnostic(code: "E1", "a\nb", at: place).adding("help", "h")
    #expect(
      json.render(diagnostic)
        == #"{"severity":"error","code":"E1","title":"a\nb","file":"a.lua","line":2,"column":3,"width":4,"#
        + #""label":"here","excerpt":"\t\"x\"","details":[{"label":"help","text":"h"}]}"# + "\n")
    #expect(json.render([diagnostic, diagnostic]).split(separator: "\n").count == 2)
  }

  @Test func `colours obey the choice, the variable and the terminal`() {
    #expect(ColorChoice.auto.colors(isTerminal: true, noColor: nil, term: "xterm"))
    #expect(ColorChoice.auto.colors(isTerminal: true, noColor: "", term: "xterm"))
    #expect(!ColorChoice.auto.colors(isTerminal: true, noColor: "1", term: "xterm"))
    #expect(!ColorChoice.auto.colors(isTerminal: true, noColor: nil, term: "dumb"))
    #expect(!ColorChoice.auto.colors(isTerminal: false, noColor: nil, term: "xterm"))
    #expect(ColorChoice.always.colors(isTerminal: false, noColor: "1", term: "dumb"))
    #expect(!ColorChoice.never.colors(isTerminal: true, noColor: nil, term: "xterm"))
  }
}

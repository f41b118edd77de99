import MoontideCore
import MoontideHost
import Testing

@testable import moontide

struct ExplainCatalogTests {
  private let catalog = ExplainCatalog(MoontideProject.explainedCodes + [CommandCode.self])

  @Test func `a code is found however it is written`() throws {
    for text in ["E0691", "e0691", "691", "0691"] {
      #expect(try catalog.entry(text).title == CommandCode.time.title)
    }
  }

  @Test func `an unknown code names its neighbour`() {
    let fault = #expect(throws: Diagnostic.self) { try catalog.entry("E0689") }
    #expect(fault?.details.first?.text.hasPrefix("near it is E06") == true)
    #expect(throws: Diagnostic.self) { try catalog.entry("") }
  }

  @Test func `every code says what it means and what to do`() {
    #expect(!catalog.entries.isEmpty)
    for entry in catalog.entries {
      #expect(entry.code.wholeMatch(of: /E[0-9]{4}/) != nil, "\(entry.code)")
      #expect(!entry.title.isEmpty && !entry.title.hasSuffix("."), "\(entry.code): \(entry.title)")
      #expect(entry.meaning.count > 20, "\(entry.code) means: \(entry.meaning)")
      #expect(!entry.mend.isEmpty, "\(entry.code) has no mend")
    }
  }

  @Test func `a page is wrapped to the terminal`() throws {
    let page = ExplainCatalog.page(try catalog.entry("E0691"), columns: 60, colors: false)
    #expect(page.hasPrefix("E0691: this is not a time\n\nTimes are written"))
    #expect(page.contains("\n\nWhat to do\n  Write one"))
    for line in page.split(separator: "\n") { #expect(DisplayText.width(String(line)) <= 60, "\(line)") }
  }
}

import MoontideCore
import Testing

@testable import MoontideHost

@Suite struct AttachedNamesTests {
  private let moments = [
    "tue": ["order_status": ["orders", "lines"], "archive": ["lines"], "revenue": ["by_day"]]
  ]

  @Test func `a table of an attached moment is written as its own database`() {
    let sent = AttachedNames("select * from tue.orders o join TUE.by_day d", moments: moments)
    #expect(sent.text == "select * from \"tue@order_status\".orders o join \"tue@revenue\".by_day d")
    #expect(sent.schemas == ["tue@order_status", "tue@revenue"])
    #expect(
      AttachedNames("select tue.archive.lines.n from tue.archive.lines", moments: moments).text
        == "select \"tue@archive\".lines.n from \"tue@archive\".lines")
  }

  @Test func `texts, comments and columns of a table that is called so stay as they are`() {
    for sql in [
      "select 'tue.orders' -- tue.orders", "select tue.status from orders tue", "select x.tue.orders from x",
      "select 1",
    ] { #expect(AttachedNames(sql, moments: moments).text == sql) }
  }

  @Test func `a name in several read models is told with what it may stand for`() {
    let sent = AttachedNames("select * from tue.lines", moments: moments)
    #expect(sent.ambiguous?.candidates == ["tue.archive.lines", "tue.order_status.lines"])
  }

  @Test func `places point into what was typed`() throws {
    let sql = "select x from tue.orders, tue.by_day where y"
    let sent = AttachedNames(sql, moments: moments)
    for word in ["select", "where", "y"] {
      let typed = try #require(sql.firstRange(of: word)).lowerBound.utf16Offset(in: sql)
      let offset = try #require(sent.text.firstRange(of: word)).lowerBound.utf16Offset(in: sent.text)
      #expect(sent.original(offset) == typed, "\(word)")
    }
  }
}

@Suite struct KeptRowsTests {
  private func row(_ texts: [String]) -> RowBuffer {
    let row = RowBuffer()
    for text in texts { row.append(text: text) }
    return row
  }

  @Test func `the last result keeps its first rows and says that there were more`() {
    let kept = KeptRows(names: ["a"])
    for number in 0..<Limits.replRowsKeptMax { kept.add(row(["\(number)"])) }
    #expect(!kept.isCut)
    kept.add(row(["too many"]))
    #expect(kept.isCut)
    #expect(kept.count == Limits.replRowsKeptMax)
    #expect(kept.cells.text(Limits.replRowsKeptMax - 1) == "\(Limits.replRowsKeptMax - 1)")
  }

  @Test func `large rows are bounded by their bytes`() {
    let kept = KeptRows(names: ["a"])
    let large = row([String(repeating: "x", count: 1 << 20)])
    for _ in 0..<100 { kept.add(large) }
    #expect(kept.isCut)
    #expect(kept.cells.bytes.count <= Limits.replBytesKeptMax)
  }

  @Test func `columns without a name and those of one name become columns of a table`() {
    let kept = KeptRows(names: ["n", "", "N", "n"])
    #expect(kept.columns == ["n", "column2", "N_2", "n_3"])
  }
}

/// `md`: a table of GitHub Flavored Markdown. Line ends become `<br>`, NULL an empty cell.
struct MarkdownWriter: RowWriter {
  private let columns: [String]
  private let sink: any TextSink
  private var isFirst = true

  init(_ columns: [String], to sink: any TextSink) {
    self.columns = columns
    self.sink = sink
  }

  mutating func write(_ row: RowCells) throws(OutputClosed) {
    if isFirst { try header(numbers: (0..<row.count).map { row.isNumber($0) }) }
    try sink.write(MarkdownWriter.line((0..<row.count).map { row.text($0) ?? "" }))
  }

  mutating func finish() throws(OutputClosed) {
    if isFirst { try header(numbers: columns.map { _ in false }) }
  }

  /// The first row says which columns are numbers, and so stand to the right.
  private mutating func header(numbers: [Bool]) throws(OutputClosed) {
    isFirst = false
    try sink.write(
      MarkdownWriter.line(columns) + "|" + numbers.map { $0 ? " ---: |" : " --- |" }.joined() + "\n")
  }

  private static func line(_ cells: [String]) -> String {
    "|" + cells.map { " " + cell($0) + " |" }.joined() + "\n"
  }

  private static func cell(_ text: String) -> String {
    DisplayText.escapedLines(text).joined(separator: "<br>").reduce(into: "") { result, character in
      result += character == "|" ? "\\|" : String(character)
    }
  }
}

/// `csv` as RFC 4180 has it: CRLF, a header, quotes only where they are needed. NULL is an empty
/// field, the empty text is `""`.
struct CSVWriter: RowWriter {
  private let columns: [String]
  private let sink: any TextSink
  private var isFirst = true

  init(_ columns: [String], to sink: any TextSink) {
    self.columns = columns
    self.sink = sink
  }

  mutating func write(_ row: RowCells) throws(OutputClosed) {
    try header()
    try sink.write(
      (0..<row.count).map { row.text($0).map(CSVWriter.field) ?? "" }.joined(separator: ",") + "\r\n")
  }

  mutating func finish() throws(OutputClosed) { try header() }

  private mutating func header() throws(OutputClosed) {
    guard isFirst else { return }
    isFirst = false
    try sink.write(columns.map(CSVWriter.field).joined(separator: ",") + "\r\n")
  }

  private static func field(_ text: String) -> String {
    let special = text.utf8.contains {
      $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\n")
        || $0 == UInt8(ascii: "\r")
    }
    guard special || text.isEmpty else { return text }
    return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"")
      + "\""
  }
}

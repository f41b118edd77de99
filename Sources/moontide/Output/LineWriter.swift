/// `line`: `column = value`, one a line, an empty line between rows.
struct LineWriter: RowWriter {
  private let labels: [String]
  private let sink: any TextSink
  private var isFirst = true

  init(_ columns: [String], to sink: any TextSink) {
    let names = columns.map(DisplayText.escaped)
    let widest = names.map(DisplayText.width).max() ?? 0
    labels = names.map { DisplayText.padded($0, to: widest, right: true) }
    self.sink = sink
  }

  mutating func write(_ row: RowCells) throws(OutputClosed) {
    var text = isFirst ? "" : "\n"
    isFirst = false
    for index in labels.indices {
      text += labels[index] + " = " + (row.text(index).map(DisplayText.escaped) ?? "NULL") + "\n"
    }
    try sink.write(text)
  }

  mutating func finish() throws(OutputClosed) {}
}

/// `json`: one array, an object a line. `jsonl`: an object a line. Written as rows come.
struct JSONRowWriter: RowWriter {
  private let names: [String]
  private let sink: any TextSink
  private let array: Bool
  private var isFirst = true

  /// Columns of the same name are told apart as `n`, `n_2`, `n_3`: a JSON reader would keep only one.
  init(_ columns: [String], to sink: any TextSink, array: Bool) {
    var seen: Set<String> = []
    names = columns.map { column in
      var name = column
      var count = 2
      while !seen.insert(name).inserted {
        name = "\(column)_\(count)"
        count += 1
      }
      return JSONText.string(name) + ":"
    }
    self.sink = sink
    self.array = array
  }

  mutating func write(_ row: RowCells) throws(OutputClosed) {
    var text = !array ? "" : isFirst ? "[\n" : ",\n"
    text += "{"
    for index in names.indices {
      if index > 0 { text += "," }
      text += names[index] + row.json(index)
    }
    text += array ? "}" : "}\n"
    isFirst = false
    try sink.write(text)
  }

  mutating func finish() throws(OutputClosed) {
    if array { try sink.write(isFirst ? "[]\n" : "\n]\n") }
  }
}

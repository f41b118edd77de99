import MoontideCore

/// Prints rows as they come, in one of the formats of `-o`. Owned by one thread.
///
///     let printer = RowPrinter(.table, columns: names, to: sink, terminal: terminal)
///     try printer.print(buffer)      // whole rows, as many as the buffer holds; any number of times
///     try printer.finish()           // once, also when there were no rows
final class RowPrinter {
  private let columns: [String]
  private var writer: any RowWriter
  /// Rows printed so far.
  private(set) var count = 0

  /// - Parameter columns: their names, at least one; the width of every row.
  init(_ format: OutputFormat, columns: [String], to sink: any TextSink, terminal: Terminal) {
    precondition(!columns.isEmpty, "rows have at least one column")
    self.columns = columns
    switch format {
    case .table: writer = TableWriter(columns, to: sink, terminal: terminal)
    case .json: writer = JSONRowWriter(columns, to: sink, array: true)
    case .jsonl: writer = JSONRowWriter(columns, to: sink, array: false)
    case .csv: writer = CSVWriter(columns, to: sink)
    case .md: writer = MarkdownWriter(columns, to: sink)
    case .line: writer = LineWriter(columns, to: sink)
    }
  }

  /// Prints all rows of `buffer`, whose cells are whole rows. The table holds the first
  /// `Limits.tableProbeRowsMax` rows back to find its widths; every other format writes at once.
  func print(_ buffer: RowBuffer) throws(OutputClosed) {
    precondition(
      buffer.cells.count.isMultiple(of: columns.count),
      "\(buffer.cells.count) cells are no whole rows of \(columns.count)")
    for start in stride(from: 0, to: buffer.cells.count, by: columns.count) {
      try writer.write(RowCells(buffer: buffer, first: start, count: columns.count))
      count += 1
    }
  }

  /// Writes what is left and the end of the format.
  func finish() throws(OutputClosed) { try writer.finish() }
}

/// One format. Gets its header out by itself, with the first row or at the end.
protocol RowWriter {
  mutating func write(_ row: RowCells) throws(OutputClosed)
  mutating func finish() throws(OutputClosed)
}

/// One row of a buffer, valid until the buffer changes.
struct RowCells {
  let buffer: RowBuffer
  let first: Int
  let count: Int

  subscript(_ index: Int) -> Cell { buffer.cells[first + index] }

  func isNumber(_ index: Int) -> Bool { self[index].kind == .integer || self[index].kind == .real }
  func isNull(_ index: Int) -> Bool { self[index].kind == .null || self[index].kind == .absent }

  /// The value as text, exactly: integers in full, reals as the shortest decimal that reads back the same,
  /// text as it is (bytes that are no UTF-8 replaced), blobs as `x'0aff'`; nil for NULL.
  func text(_ index: Int) -> String? {
    let cell = self[index]
    switch cell.kind {
    case .absent, .null: return nil
    case .integer: return String(cell.bits)
    case .real: return cell.real.description
    case .text: return buffer.bytes.text(cell.part)
    case .blob:
      let digits = buffer.bytes[cell.part.indices].map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
      return "x'" + digits.joined() + "'"
    }
  }

  /// The value as JSON; blobs in base 64.
  func json(_ index: Int) -> String {
    let cell = self[index]
    switch cell.kind {
    case .absent, .null: return "null"
    case .integer: return String(cell.bits)
    case .real: return JSONText.number(cell.real)
    case .text: return JSONText.string(buffer.bytes.text(cell.part))
    case .blob: return JSONText.string(JSONText.base64(buffer.bytes[cell.part.indices]))
    }
  }
}

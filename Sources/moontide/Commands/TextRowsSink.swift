import MoontideCore
import MoontideHost

/// Keeps the rows of a small answer as texts, in the order of its columns; NULL is empty.
final class TextRowsSink: RowSink {
  private(set) var rows: [[String]] = []

  func columns(_ names: [String]) throws(Diagnostic) {}

  func row(_ row: RowBuffer) throws(Diagnostic) {
    rows.append(
      row.cells.indices.map { index in
        switch row.cells[index].kind {
        case .absent, .null: ""
        case .integer: String(row.cells[index].bits)
        case .real: row.cells[index].real.description
        case .text, .blob: row.text(index) ?? ""
        }
      })
  }
}

import MoontideCore
import MoontideSQLite

/// Holds an answer until the project is let go again, within `Limits.replHeldBytesMax`. One thread.
final class HeldRows: RowSink {
  private var names: [String] = []
  private let rows = RowBuffer()
  /// Whether the answer was larger; it was stopped then.
  private(set) var isCut = false

  func columns(_ names: [String]) throws(Diagnostic) { self.names = names }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    let shift = UInt32(rows.bytes.count)
    rows.bytes += row.bytes
    for var cell in row.cells {
      cell.part.start += shift
      rows.cells.append(cell)
    }
    isCut = rows.bytes.count + rows.cells.count * MemoryLayout<Cell>.stride > Limits.replHeldBytesMax
    if isCut { throw Diagnostic(.query, "the answer has more than \(Limits.replHeldBytesMax) bytes") }
  }

  /// Has `ask` fill it; false when the answer was larger.
  func fill(_ ask: (HeldRows) throws(Diagnostic) -> Void) throws(Diagnostic) -> Bool {
    do throws(Diagnostic) { try ask(self) } catch {
      if isCut { return false }
      throw error
    }
    return true
  }

  /// Hands all of it on.
  func play(to sink: any RowSink) throws(Diagnostic) {
    try sink.columns(names)
    let row = RowBuffer()
    for start in stride(from: 0, to: rows.cells.count, by: max(1, names.count)) {
      row.removeAll()
      for index in start..<start + names.count { row.append(rows.value(index)) }
      try sink.row(row)
    }
  }

  /// The same as a table that can be asked.
  func table(_ name: String) -> StaticSystemTable {
    StaticSystemTable(name, columns: names.map { SystemColumn($0, .blob) }) { [self] () throws(StoreError) in
      stride(from: 0, to: rows.cells.count, by: max(1, names.count)).map { start in
        (start..<start + names.count).map { rows.value($0) }
      }
    }
  }
}

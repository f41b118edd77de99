import MoontideCore

/// Keeps all rows as texts, for a program that embeds Moontide.
final class CollectingSink: RowSink {
  private(set) var rows: [[String: String]] = []
  private var names: [String] = []

  func columns(_ names: [String]) throws(Diagnostic) { self.names = names }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    var values: [String: String] = [:]
    for (index, name) in names.enumerated() {
      let cell = row.cells[index]
      switch cell.kind {
      case .absent, .null: break
      case .integer: values[name] = String(cell.bits)
      case .real: values[name] = cell.real.description
      case .text, .blob: values[name] = row.text(index)
      }
    }
    rows.append(values)
  }
}

/// Takes no notice: problems are in `sys.dead_letters`.
final class QuietObserver: RunObserver {
  func progress(_ progress: RunProgress) throws(Diagnostic) {}
  func problem(_ problem: Diagnostic) throws(Diagnostic) {}
  func printed(_ text: String) throws(Diagnostic) {}
}

extension QuietObserver: PastObserver {
  func resolved(_ text: String) throws(Diagnostic) {}
  func folding(_ name: String, done: UInt64, total: UInt64) throws(Diagnostic) {}
  func folded(_ name: String) throws(Diagnostic) {}
  func note(_ text: String) throws(Diagnostic) {}
}

import MoontideCore

/// The rows of `doctor`.
final class DoctorReport {
  enum Result: String { case well = "ok", notable = "note", wrong = "WRONG" }

  private let sink: any RowSink
  private(set) var isHealthy = true

  init(_ sink: any RowSink) { self.sink = sink }

  func add(_ check: String, _ result: Result, _ found: String, _ next: String) throws(Diagnostic) {
    if result == .wrong { isHealthy = false }
    let row = RowBuffer()
    for text in [check, result.rawValue, found, next] { row.append(text: text) }
    try sink.row(row)
  }
}

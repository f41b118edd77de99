import MoontideCore

/// The rows of `doctor`.
final class DoctorReport {
  enum Result: String { case well = "ok", notable = "note", wrong = "WRONG" }

  private let sink: any RowSink
  private let root: String
  private(set) var isHealthy = true

  /// - Parameter root: the folder of the project, which is left out of what is told: a table has no room
  ///   for it.
  init(_ sink: any RowSink, root: String) {
    self.sink = sink
    self.root = root
  }

  func add(_ check: String, _ result: Result, _ found: String, _ next: String) throws(Diagnostic) {
    if result == .wrong { isHealthy = false }
    let row = RowBuffer()
    for text in [check, result.rawValue, short(found), short(next)] { row.append(text: text) }
    try sink.row(row)
  }

  private func short(_ text: String) -> String {
    text.replacing(root + "/", with: "").replacing(root, with: "this project")
  }
}

import MoontideCore
import MoontideHost

/// Prints rows of stored events, each with what handlers see of it in a last column `seen`: a JSON list of
/// events, or NULL when that is the event as it is stored.
final class SeeingSink: RowSink {
  private let printer: PrintingSink
  private let view: EventView
  private var names: [String] = []
  /// Why upcasters failed on an event.
  private(set) var problems: [Diagnostic] = []

  init(_ printer: PrintingSink, _ project: ProjectPaths) throws(Diagnostic) {
    self.printer = printer
    view = try EventView(project)
  }

  func columns(_ names: [String]) throws(Diagnostic) {
    self.names = names
    try printer.columns(names + ["seen"])
  }

  func row(_ row: RowBuffer) throws(Diagnostic) {
    let shown = RowBuffer()
    shown.cells = row.cells
    shown.bytes = row.bytes
    if let seen = seen(row) { shown.append(text: seen) } else { shown.cells.append(.null) }
    try printer.row(shown)
  }

  private func seen(_ row: RowBuffer) -> String? {
    func cell(_ name: String) -> Int? {
      guard let index = names.firstIndex(of: name) else { return nil }
      return row.cells[index].kind == .null || row.cells[index].kind == .absent ? nil : index
    }
    func text(_ name: String) -> String? { cell(name).flatMap { row.text($0) } }
    // A row of a dead letter has the letter's id, the event's beside it, and what it was corrected to.
    guard let type = text("type"), let id = text("event_id") ?? text("id"), let topic = text("topic"),
      let data = text("correction") ?? text("data"), let position = cell("position"),
      let version = cell("version")
    else { return nil }
    let event = StoredEvent(
      position: UInt64(clamping: row.cells[position].bits), topic: topic, id: id,
      source: text("source") ?? "", type: type, version: UInt32(clamping: row.cells[version].bits),
      key: text("key") ?? id, time: text("time") ?? "", data: data, meta: text("meta") ?? "")
    do throws(Diagnostic) { return try view.seen(event, by: text("handler")) } catch {
      problems.append(error)
      return nil
    }
  }
}

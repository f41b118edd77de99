import MoontideCore
import MoontideJSON
import MoontideRuntime

/// Folds the states of streams out of the log for those who ask; it trusts no snapshot. Any thread whose
/// stack has 2 MiB; each call stands for itself.
struct StateReader {
  let log: any EventLog
  let catalog: ProjectCatalog
  let clock: any WallClock
  let randomness: any Randomness

  func run(_ request: StateRequest, to sink: any RowSink) throws(Diagnostic) {
    let definition = try decider(request.decider)
    let view = try PastView(request.past, in: log)
    let surroundings = HandlerSurroundings(
      clock: clock, randomness: randomness, report: { _ in }, print: { _, _, _ in })
    let history = try StreamHistory(definition, catalog: catalog, log: log, surroundings: surroundings)
    try sink.columns(StateRequest.columns)
    var last = try history.beginning()
    var fault: Diagnostic?
    let isHistory = request.history
    try history.fold(
      key: Array(request.key.utf8), before: view.end, until: view.until, versions: request.version
    ) { step in
      last = step
      guard isHistory, fault == nil else { return }
      do throws(Diagnostic) { try sink.row(Self.row(step)) } catch { fault = error }
    }
    if let fault { throw fault }
    if let version = request.version, last.version < version {
      throw Diagnostic(
        .noSuchEvent,
        "the stream \(request.key) of \(definition.name) has \(last.version) events, not \(version)")
    }
    if !isHistory { try sink.row(Self.row(last)) }
  }

  private func decider(_ name: String) throws(Diagnostic) -> DeciderDefinition {
    if let known = catalog.decider(name) { return known }
    let near = Suggestion.nearest(to: name, among: catalog.deciders.map(\.name))
    throw Diagnostic(
      .noSuchHandler, "there is no decider \(name)",
      help: near.map { "did you mean \($0)?" } ?? "moontide handlers lists what there is")
  }

  private static func row(_ step: StreamHistory.Step) -> RowBuffer {
    let row = RowBuffer()
    row.cells = [
      .integer(Int64(step.version)), step.position.map { .integer(Int64(clamping: $0.value)) } ?? .null,
    ]
    for text in [step.time, step.type] {
      if step.position == nil { row.cells.append(.null) } else { row.append(text: text) }
    }
    row.append(text: step.state.flatMap { StateText.json($0)?.compact } ?? "{}")
    return row
  }
}

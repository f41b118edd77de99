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

  func run(
    _ request: StateRequest, to sink: any RowSink, observer: any MomentObserver
  ) throws(Diagnostic) {
    let definition = try decider(request.decider)
    let view = try PastView(request.past, in: log)
    if !request.past.isPresent { try observer.resolved(view.description(request.past, now: clock.now)) }
    let surroundings = HandlerSurroundings(
      clock: clock, randomness: randomness, report: { _ in }, print: { _, _, _ in })
    let history = try StreamHistory(definition, catalog: catalog, log: log, surroundings: surroundings)
    try require(request, view, history)
    try sink.columns(StateRequest.columns)
    var last = try history.beginning()
    var fault: Diagnostic?
    let isHistory = request.history
    try history.fold(
      key: request.keyBytes, versions: request.version, where: view.counts
    ) { step in
      last = step
      guard isHistory, fault == nil else { return }
      do throws(Diagnostic) { try sink.row(Self.row(step)) } catch { fault = error }
    }
    if let fault { throw fault }
    if !isHistory { try sink.row(Self.row(last)) }
    if last.version == 0, request.version == nil {
      try observer.note(try nothing(request, definition, history))
    }
  }

  private func decider(_ name: String) throws(Diagnostic) -> DeciderDefinition {
    if let known = catalog.decider(name) { return known }
    if let other = catalog.definition(name) {
      throw Diagnostic(
        .noSuchHandler, "\(name) is a \(other.kind.rawValue), not a decider",
        help: other.kind == .projection
          ? "moontide query asks its tables, --as-of and --as-known as they were"
          : "moontide handlers lists what there is")
    }
    let near = Suggestion.nearest(to: name, among: catalog.deciders.map(\.name))
    throw Diagnostic(
      .noSuchHandler, "there is no decider \(name)",
      help: near.map { "did you mean \($0)?" } ?? "moontide handlers lists what there is")
  }

  /// Says before anything is printed that a stream is not that long.
  private func require(
    _ request: StateRequest, _ view: PastView, _ history: StreamHistory
  ) throws(Diagnostic) {
    guard let version = request.version else { return }
    let count = try history.count(key: request.keyBytes, max: version, where: view.counts)
    guard count < version else { return }
    let had = request.past.isPresent ? "has" : "had"
    let then = request.past.isPresent ? "" : " at that moment"
    throw Diagnostic(
      .noSuchEvent,
      "\(request.decider) \(request.key) \(had) \(Counted.text(count, "event"))\(then), not \(version)",
      help: "moontide state \(request.decider) \(request.key) --history shows each of them")
  }

  /// Why the answer is a state without events.
  private func nothing(
    _ request: StateRequest, _ definition: DeciderDefinition, _ history: StreamHistory
  ) throws(Diagnostic) -> String {
    guard let first = try history.first(key: request.keyBytes) else {
      return "the topic \(definition.topic) has no event with the key “\(request.key)”: "
        + (request.history ? "there is nothing to show" : "this is what its first command would meet")
    }
    return "\(request.decider) \(request.key) had no events at that moment; its first is \(first.position), "
      + "of \(first.time)"
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

import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Finds out by folding again which rows the events of a tree wrote.
struct CausedRows {
  let session: TraceSession
  let observer: any PastObserver

  func grow(_ growth: inout ImpactGrowth) throws(Diagnostic) {
    let events = growth.events
    guard let last = events.last else { return }
    let types = Set(growth.nodes.filter { $0.kind == .event }.map(\.name))
    for definition in session.catalog.definitions where definition.kind == .projection {
      guard isConcerned(definition, by: types), let standing = try session.standing(of: definition) else {
        continue
      }
      if standing.end <= last {
        try observer.note(
          "\(definition.name) has come to \(standing.end): of the events behind that it has no rows yet")
      }
      if standing.scriptVersion != definition.scriptVersion {
        try observer.note(
          "\(definition.path) was edited since the read model was folded: its rows are shown as the script "
            + "is now")
      }
      var view = try session.view(nil)
      view.end = min(standing.end, last.next)
      guard let first = events.first, first < view.end else { continue }
      try rows(of: definition, view, standing.decided, Set(events), &growth)
    }
  }

  /// Whether it may listen to one of the types: an upcaster may make anything of an event.
  private func isConcerned(_ definition: HandlerDefinition, by types: Set<String>) -> Bool {
    !session.catalog.upcasters.isEmpty || types.contains { definition.matches(type: $0) }
  }

  private func rows(
    of definition: HandlerDefinition, _ view: PastView, _ decided: Int, _ events: Set<Position>,
    _ growth: inout ImpactGrowth
  ) throws(Diagnostic) {
    let found = Found()
    _ = try session.fold(
      definition, over: view, decided: decided, observer: observer, { _ in },
      each: { event, watch throws(Diagnostic) in
        if events.contains(event.position) { found.take(event, watch, definition) }
      })
    for (position, node) in found.nodes {
      var node = node
      node.parent = growth.node(at: position)
      growth.add(node)
    }
  }

  private final class Found {
    var nodes: [(Position, ImpactNode)] = []

    func take(_ event: TracedEvent, _ watch: RowWatch, _ definition: HandlerDefinition) {
      for change in watch.changes[event.changes] where nodes.count < Limits.impactNodesMax {
        let write = RowWrite(change, of: EventName(event, withData: false), watch)
        let table = watch.tables[change.table]
        var node = ImpactNode(.row, at: nil, under: nil, "\(definition.name).\(table.name)")
        node.handler = "projection \(definition.name)"
        node.state = write.operation
        node.key = key(change, table, watch)
        (node.file, node.line, node.changes) = (write.file, write.line, write.changes)
        nodes.append((event.position, node))
      }
    }

    private func key(_ change: RowChange, _ table: StoreTable, _ watch: RowWatch) -> String {
      guard let start = change.new ?? change.old, !table.keyColumns.isEmpty else {
        return change.rowID.map { "rowid \($0)" } ?? ""
      }
      return table.keyColumns.map { column in
        switch RowValue(watch.cells.cells[start + column], watch.cells.bytes) {
        case .text(let text): text
        case let value: value.shown
        }
      }.joined(separator: ", ")
    }
  }
}

import MoontideCore
import MoontideRuntime

/// Finds out which of the fields that scripts asked for in vain no event of that type has, as upcasters make
/// them: an optional field that is absent now and then is none of them. Looks at the log's first and last
/// records, so that its time is bounded however long the log is.
struct FieldCensus {
  let log: any EventLog
  let catalog: ProjectCatalog

  /// The warnings for those that are nowhere, in the order of `missed`.
  func warnings(_ missed: [MissedField]) throws(Diagnostic) -> [Diagnostic] {
    var names: [String: Set<String>] = [:]
    for field in missed { names[field.type] = [] }
    let viewer = try EventViewer(
      EventInterest(subscriptions: names.keys.sorted(), upcasters: catalog.upcasters), catalog: catalog)
    let types = Dictionary(uniqueKeysWithValues: names.keys.map { (Array($0.utf8), $0) })
    try EventSample(log: log, viewer: viewer).forEach { event, batch in
      guard let type = types[Array(batch.bytes[event.envelope.type.indices])] else { return }
      names[type]?.formUnion(EventFields.names(of: event, in: batch))
    }
    return missed.filter { names[$0.type]?.contains($0.field) == false }
      .map { $0.warning(names: names[$0.type] ?? []) }
  }
}

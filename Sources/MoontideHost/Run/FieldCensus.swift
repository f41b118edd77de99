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
    // A handler that wants an older version sees other fields.
    let wants = missed.map { field in
      catalog.definitions.first { field.handler == "\($0.kind.rawValue) \($0.name)" }?.interest.wants ?? [:]
    }
    var warnings: [Int: Diagnostic] = [:]
    for wanted in Set(wants) {
      let asked = missed.indices.filter { wants[$0] == wanted }
      let names = try names(of: Set(asked.map { missed[$0].type }), wants: wanted)
      for index in asked {
        guard let found = names[missed[index].type], !found.contains(missed[index].field) else { continue }
        warnings[index] = missed[index].warning(names: found)
      }
    }
    return missed.indices.compactMap { warnings[$0] }
  }

  /// The names of fields by type, as a handler that wants those versions sees them.
  private func names(
    of asked: Set<String>, wants: [String: UInt32]
  ) throws(Diagnostic) -> [String: Set<String>] {
    var names: [String: Set<String>] = [:]
    for type in asked { names[type] = [] }
    let viewer = try EventViewer(
      EventInterest(subscriptions: asked.sorted(), wants: wants, upcasters: catalog.upcasters),
      catalog: catalog)
    let types = Dictionary(uniqueKeysWithValues: names.keys.map { (Array($0.utf8), $0) })
    try EventSample(log: log, viewer: viewer).forEach { event, batch in
      guard let type = types[Array(batch.bytes[event.envelope.type.indices])] else { return }
      names[type]?.formUnion(EventFields.names(of: event, in: batch))
    }
    return names
  }
}

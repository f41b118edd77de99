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
    let end = log.durableEnd
    let half = UInt64(Limits.fieldCensusRecordsMax / 2)
    try gather(from: .start, to: Position(min(end.value, half)), viewer, into: &names)
    try gather(from: Position(max(half, end.value - min(end.value, half))), to: end, viewer, into: &names)
    return missed.filter { names[$0.type]?.contains($0.field) == false }
      .map { $0.warning(names: names[$0.type] ?? []) }
  }

  private func gather(
    from start: Position, to end: Position, _ viewer: EventViewer, into names: inout [String: Set<String>]
  ) throws(Diagnostic) {
    let types = Dictionary(uniqueKeysWithValues: names.keys.map { (Array($0.utf8), $0) })
    let topics = Dictionary(uniqueKeysWithValues: log.topics().map { ($0.id, $0.name) })
    let batch = RecordBatch()
    var next = start
    while next < end {
      next = try LogError.told { () throws(LogError) in
        try log.read(from: next, records: Limits.readRecordsMax, bytes: Limits.readBytesMax, into: batch)
      }
      for record in batch.records where record.envelope.kind == .event && record.position < end {
        let seen: [Record]
        // An event that upcasters fail on is a dead letter of whom it concerns, and told there.
        do throws(Diagnostic) {
          seen = try viewer.see(record, in: batch, topic: topics[record.topic] ?? .events)
        } catch { continue }
        for one in seen {
          guard let type = types[Array(batch.bytes[one.envelope.type.indices])] else { continue }
          names[type]?.formUnion(EventFields.names(of: one, in: batch))
        }
      }
    }
  }
}

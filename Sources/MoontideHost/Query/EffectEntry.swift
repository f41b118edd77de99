import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// The ledgers of effects, from the files of their handlers.
extension HandlerSurvey {
  /// An effect and whose it is.
  struct EffectEntry {
    var handler: String
    var effect: LedgerEffect
    /// Whether it is being performed now.
    var isInFlight: Bool
  }

  /// Of all consumers, by handler and number.
  func effects(_ selection: LedgerSelection) throws(Diagnostic) -> [EffectEntry] {
    var entries: [EffectEntry] = []
    for definition in catalog.definitions where definition.kind != .projection {
      let inFlight = inFlight(definition)
      let effects = try ledger(definition) { reader throws(StoreError) in
        try reader.effects(selection)
      }
      entries += (effects ?? []).map {
        EffectEntry(handler: definition.name, effect: $0, isInFlight: inFlight.contains($0.sequence))
      }
    }
    return entries
  }

  /// How many stand where; nil while the handler has no file.
  func effectCounts(_ definition: HandlerDefinition) throws(Diagnostic) -> LedgerCounts? {
    try ledger(definition) { reader throws(StoreError) in try reader.effectCounts() }
  }
}

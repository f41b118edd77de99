import MoontideCore

/// Judges the ledger of a consumer's effects by the log and by what was performed: I4, I7.
struct EffectOracle {
  private let evidence: HandlerEvidence
  private let ledger: [LedgerEffect]
  private let desk: EffectDesk
  private let wasMended: Bool

  init(_ evidence: HandlerEvidence, _ ledger: [LedgerEffect], desk: EffectDesk, wasMended: Bool) {
    self.evidence = evidence
    self.ledger = ledger
    self.desk = desk
    self.wasMended = wasMended
  }

  private var name: String { evidence.name }

  private func cause(_ effect: LedgerEffect) -> EffectDesk.Cause? {
    let text = MemberText(String(decoding: effect.request, as: UTF8.self))
    guard let of = text.texts("of").first, let ordinal = text.number("n") else { return nil }
    return EffectDesk.Cause(of: of, ordinal: ordinal)
  }

  func violations() -> [String] {
    var found = recorded()
    let keys = Set(ledger.map(\.key))
    for key in desk.keys where !keys.contains(key) {
      found.append("I7: \(key) was performed, and the ledger does not know it")
    }
    var results: Set<String> = []
    for record in evidence.records where record.kind == .result && record.source == name {
      results.insert(record.id)
      let key = EffectDesk.key(ofResult: record.id)
      if !keys.contains(key) {
        found.append("I7: the log has a result of \(record.id), which is unknown")
      }
      if !desk.hasSeen(key) { found.append("I7: \(record.id) has a result and was never performed") }
    }
    for effect in ledger where !effect.status.isOpen {
      if !desk.hasSeen(effect.key) { found.append("I7: \(effect.key) is done and was never performed") }
      if !results.contains(effect.resultID) {
        found.append("I7: \(effect.key) is done, the log has no result")
      }
    }
    return found + told(results).wrong
  }

  /// The ledger has what the events caused that were applied, and nothing else.
  private func recorded() -> [String] {
    var found: [String] = []
    var recorded: [String: Int] = [:]
    var last: [[UInt8]: UInt64] = [:]
    for effect in ledger {
      guard let cause = cause(effect) else {
        found.append("I4: \(effect.key) asks for something that nobody wrote")
        continue
      }
      desk.check(effect.key, cause)
      recorded[cause.of, default: 0] += 1
      if effect.cause.value < last[effect.orderKey] ?? 0 {
        found.append("I7: \(effect.key) lies behind effects of later events of its key")
      }
      last[effect.orderKey] = effect.cause.value
    }
    let waiting = Set(
      evidence.ledger.parked.flatMap { $0.held + [$0.position] }.map(\.value) + evidence.deadPositions)
    for record in evidence.matched {
      let isApplied = evidence.isBelow(record) && !waiting.contains(record.position)
      let wanted = isApplied ? CheckoutScripts.effects(of: record) : 0
      let count = recorded.removeValue(forKey: record.id) ?? 0
      if count != wanted {
        found.append("I4, I7: \(record.id) at \(record.position) caused \(count) effects, right is \(wanted)")
      }
      if isApplied, !wasMended, record.data.contains("\"mute\":true") {
        found.append("I5: \(name) passed the event at \(record.position), at which it fails")
      }
    }
    if !recorded.isEmpty { found.append("I4: effects of unknown causes: \(recorded.keys.sorted())") }
    return found
  }

  /// Keys of whose results the handler spoke, and what is wrong about that.
  private func told(_ results: Set<String>) -> (keys: Set<String>, wrong: [String]) {
    var keys: Set<String> = []
    var wrong: [String] = []
    var ids: Set<String> = []
    func take(_ data: String) {
      let key = MemberText(data).texts("key").first ?? ""
      if !keys.insert(key).inserted { wrong.append("I4: \(name) was told twice of \(key)") }
      if !results.contains(key) { wrong.append("I7: \(name) was told of \(key), which has no result") }
    }
    for record in evidence.records where record.source == name && record.type == "Told" {
      ids.insert(record.id)
      take(record.data)
    }
    for event in evidence.outbox where !ids.contains(String(decoding: event.id, as: UTF8.self)) {
      take(String(decoding: event.data, as: UTF8.self))
    }
    return (keys, wrong)
  }

  /// Once everything is at rest.
  func unfinished(isMended: Bool) -> [String] {
    var found = ledger.filter(\.status.isOpen).map { "I10: the effect \($0.key) is still open" }
    let results = Set(
      evidence.records.filter { $0.kind == .result && $0.source == name }.map(\.id))
    let untold = results.subtracting(told(results).keys)
    if isMended, !untold.isEmpty { found.append("I10: \(name) was never told of \(untold.sorted())") }
    return found
  }
}

import MoontideCore

/// Judges a consumer by what it emitted: which events it applied, in which order, and that all others are
/// where they may be: I4, I5, I7.
struct ConsumerOracle {
  private let evidence: HandlerEvidence
  private let world: OutsideWorld
  private let wasMended: Bool
  private let matched: [LogWitness.Seen]
  private let decisions: [DecisionNote]

  init(_ evidence: HandlerEvidence, world: OutsideWorld, wasMended: Bool) {
    self.evidence = evidence
    self.world = world
    self.wasMended = wasMended
    matched = evidence.matched
    decisions = evidence.decisions
  }

  private var name: String { evidence.name }
  private var isGate: Bool { name == "gate" }

  func violations() -> [String] {
    var found: [String] = []
    let applied = self.applied(&found)
    found += places(applied)
    return found
  }

  /// Whether the script fails at it before it is mended.
  private func fails(_ record: LogWitness.Seen) -> Bool {
    let event = world.events[record.data]
    return (isGate ? event?.isPoison : event?.isBad) ?? false
  }

  // MARK: Effects

  private struct Effect {
    var type: String
    var data: String
    /// The id of what caused it.
    var cause: String {
      // It comes last, with a quote and a brace behind it.
      let body = data.utf8.dropLast(2)
      guard let quote = body.lastIndex(of: UInt8(ascii: "\"")) else { return "" }
      return String(decoding: body[body.index(after: quote)...], as: UTF8.self)
    }
  }

  /// What was emitted for every key, in order: what is in the log, and behind it what is still in the outbox.
  private func effects() -> [String: [Effect]] {
    var effects: [String: [Effect]] = [:]
    var inLog: Set<String> = []
    for record in evidence.records where record.source == name {
      effects[record.key, default: []].append(Effect(type: record.type, data: record.data))
      inLog.insert(record.id)
    }
    for event in evidence.outbox where !inLog.contains(String(decoding: event.id, as: UTF8.self)) {
      effects[String(decoding: event.key, as: UTF8.self), default: []].append(
        Effect(
          type: String(decoding: event.type, as: UTF8.self), data: String(decoding: event.data, as: UTF8.self)
        ))
    }
    return effects
  }

  /// The events that were applied, by position, as the effects tell; with what is wrong about these.
  private func applied(_ found: inout [String]) -> Set<UInt64> {
    var records: [String: LogWitness.Seen] = [:]
    for record in matched { records[record.id] = record }
    let decided = Set(decisions.flatMap(\.positions))
    var applied: Set<UInt64> = []
    let effects = effects()
    for key in effects.keys.sorted() {
      var (count, last): (Int, UInt64) = (0, 0)
      var copy: String?
      for effect in effects[key] ?? [] {
        let cause = effect.cause
        if effect.type == "Copy" {
          if copy != cause || effect.data != "{\"of\":\"\(cause)\"}" {
            found.append("I4: \(name) made \(effect) for \(key) without a reason")
          }
          copy = nil
          continue
        }
        if let copy { found.append("I4, I7: the copy for \(copy) of \(key) is missing") }
        count += 1
        let wanted = "{\"n\":\(count),\"of\":\"\(cause)\"}"
        guard let record = records[cause], record.key == key, effect.data == wanted else {
          found.append("I4, I7: the effect \(count) of \(name) for \(key) is \(effect), not \(wanted)")
          continue
        }
        if !applied.insert(record.position).inserted {
          found.append("I4: \(name) applied the event at \(record.position) twice")
        }
        // A dead letter that a person put on its way again comes later than its place.
        if isGate || !decided.contains(record.position) {
          if record.position < last {
            found.append("I4: \(name) applied \(record.position) of \(key) behind \(last)")
          }
          last = record.position
        }
        copy = !isGate && world.events[record.data]?.isDouble == true ? cause : nil
      }
      if let copy { found.append("I4, I7: the copy for \(copy) of \(key) is missing") }
    }
    return applied
  }

  // MARK: Places

  /// Every event below the checkpoint is in one place, and may be there.
  private func places(_ applied: Set<UInt64>) -> [String] {
    var found: [String] = []
    let ledger = evidence.ledger
    let dead = Set(evidence.deadPositions)
    let tried = Set(ledger.parked.filter { $0.status == .retrying }.map(\.position.value))
    let heads = Set(ledger.parked.filter { $0.status == .dead }.map(\.position.value))
    let held = ledger.parked.flatMap(\.held).map(\.value)
    if dead.count != evidence.deadPositions.count || Set(held).count != held.count {
      found.append("I5: \(name) has \(evidence.deadPositions) dead and \(held) held, some of them twice")
    }
    if !heads.isSubset(of: dead) {
      found.append("I5: \(name) has dead keys at \(heads.sorted()), dead letters at \(dead.sorted())")
    }
    found += order(ledger)
    var skipped = 0
    var known = dead.union(tried).union(held)
    for record in matched {
      let position = record.position
      let places = [
        applied.contains(position), dead.contains(position), tried.contains(position),
        held.contains(position),
      ].count { $0 }
      known.remove(position)
      guard evidence.isBelow(record) else {
        if places > 0 { found.append("I5: \(name) has done with \(position), which is before it") }
        continue
      }
      if places > 1 { found.append("I5: \(name) has the event at \(position) in \(places) places") }
      found += judge(record, isApplied: applied.contains(position), isDead: dead.contains(position))
      if places == 0 {
        skipped += 1
        if !isRuled(position, DecisionNote.skip) {
          found.append("I5: \(name) lost the event at \(position)")
        }
      }
    }
    if !known.isEmpty { found.append("I5: \(name) keeps \(known.sorted()), which it has not read") }
    let below = matched.count { evidence.isBelow($0) && applied.contains($0.position) }
    if Int(ledger.applied) != below || Int(ledger.skipped) != skipped {
      found.append(
        "I5: \(name) counts \(ledger.applied) applied and \(ledger.skipped) skipped, "
          + "\(below) and \(skipped) were")
    }
    return found
  }

  /// What waits for a key waits behind its failed event; the gate lets nothing past it.
  private func order(_ ledger: HandlerLedger) -> [String] {
    guard isGate else { return [] }
    return ledger.parked.compactMap { key in
      let behind = matched.filter {
        $0.topic == key.topic.text && Array($0.key.utf8) == key.key && $0.position > key.position.value
          && evidence.isBelow($0)
      }.map(\.position)
      return key.held.map(\.value).sorted() == behind
        ? nil : "I5: \(name) holds \(key.held) behind \(key.position), it should hold \(behind)"
    }
  }

  private func isRuled(_ position: UInt64, _ action: String) -> Bool {
    decisions.contains { $0.action == action && $0.positions.contains(position) }
  }

  private func judge(_ record: LogWitness.Seen, isApplied: Bool, isDead: Bool) -> [String] {
    let position = record.position
    if isApplied, fails(record), !wasMended, !isRuled(position, DecisionNote.correct) {
      return ["I5: \(name) passed the event at \(position), at which it fails"]
    }
    guard isDead else { return [] }
    if !fails(record) { return ["I5: \(name) gave up the event at \(position), at which it does not fail"] }
    let isSettled = decisions.contains {
      $0.isRuling && $0.positions.contains(position) && $0.place < evidence.checkpoint(record)
    }
    return isSettled ? ["I5: \(name) gave up the event at \(position) after a decision about it"] : []
  }
}

import MoontideCore

/// Judges what a handler has done: what holds for every kind here (I5, I6, I10), the rest by kind.
struct HandlerOracle {
  let evidence: HandlerEvidence
  let world: OutsideWorld
  /// Whether a life with mended consumers has been.
  let wasMended: Bool

  init(_ evidence: HandlerEvidence, world: OutsideWorld, wasMended: Bool) {
    self.evidence = evidence
    self.world = world
    self.wasMended = wasMended
  }

  func violations(durableEnd: Position) -> [String] {
    var found: [String] = []
    let ledger = evidence.ledger
    let name = evidence.name
    for (place, position) in ledger.checkpoints where position > durableEnd {
      found.append("I6: \(name) is at \(position) of \(place.topic), beyond the durable end \(durableEnd)")
    }
    let matched = evidence.matched
    let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
    let lag = matched.count { !evidence.isBelow($0) }
    let sum = Int(ledger.applied + ledger.skipped) + lag + held + ledger.deadLetters
    if sum != matched.count {
      found.append(
        "I5: \(name): \(matched.count) published, \(ledger.applied) applied + \(lag) before it + "
          + "\(held) held + "
          + "\(ledger.deadLetters) dead + \(ledger.skipped) skipped")
    }
    switch name {
    case "totals", "arrivals": found += ProjectionOracle(evidence, world: world).violations()
    case "till", "clerk": found += AccountReaderOracle(evidence).violations()
    default: found += ConsumerOracle(evidence, world: world, wasMended: wasMended).violations()
    }
    return found
  }

  /// Once everything is at rest: nothing before it, nothing waiting but for a person.
  func unfinished() -> [String] {
    var found: [String] = []
    let lag = evidence.matched.count { !evidence.isBelow($0) }
    if lag > 0 { found.append("I10: \(evidence.name) has \(lag) events before it") }
    if !evidence.outbox.isEmpty {
      found.append("I10: the outbox of \(evidence.name) has \(evidence.outbox.count) events")
    }
    for key in evidence.ledger.parked where key.status == .retrying {
      found.append("I10: \(evidence.name) still tries \(key.position)")
    }
    return found
  }

  /// Once a person has mended every script and had everything tried again.
  func unmended() -> [String] {
    evidence.deadPositions.isEmpty && evidence.ledger.parked.isEmpty
      ? []
      : [
        "I10: \(evidence.name) was mended and everything tried again; dead are \(evidence.deadPositions), "
          + "parked \(evidence.ledger.parked.map(\.position))"
      ]
  }
}

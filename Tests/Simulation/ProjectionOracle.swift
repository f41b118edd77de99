import MoontideCore

/// Computes over dictionaries what a read model must hold, under the script and the decisions that its file
/// says it follows: I3, I5.
struct ProjectionOracle {
  private let evidence: HandlerEvidence
  private let world: OutsideWorld
  private let edition: Int?
  /// Skips and corrections, the latest by position.
  private let rulings: [UInt64: DecisionNote]

  init(_ evidence: HandlerEvidence, world: OutsideWorld) {
    self.evidence = evidence
    self.world = world
    edition = evidence.name == "totals" ? SimulationScripts.editions[evidence.scriptVersion] : 0
    var rulings: [UInt64: DecisionNote] = [:]
    for note in evidence.decisions.prefix(evidence.ledger.decided) where note.isRuling {
      for position in note.positions { rulings[position] = note }
    }
    self.rulings = rulings
  }

  func violations() -> [String] {
    guard let edition else {
      return ["I3: \(evidence.name) was made by a script that nobody wrote: \(evidence.scriptVersion)"]
    }
    var found: [String] = []
    let name = evidence.name
    if evidence.decisions.count < evidence.ledger.decided {
      found.append(
        "I3: \(name) follows \(evidence.ledger.decided) decisions, the log has \(evidence.decisions.count)")
    }
    var (applied, dead, skipped): ([(LogWitness.Seen, PaidEvent?)], Set<UInt64>, Int) = ([], [], 0)
    for record in evidence.matched where evidence.isBelow(record) {
      let ruling = rulings[record.position]
      if ruling?.action == DecisionNote.skip {
        skipped += 1
        continue
      }
      let event = ruling.flatMap { world.corrections[$0.data] } ?? world.events[record.data]
      if edition != 2, event?.isBad == true {
        dead.insert(record.position)
      } else {
        applied.append((record, event))
      }
    }
    if Set(evidence.deadPositions) != dead || evidence.deadPositions.count != dead.count {
      found.append("I5: \(name) has dead letters \(evidence.deadPositions), it should have \(dead.sorted())")
    }
    if Int(evidence.ledger.applied) != applied.count || Int(evidence.ledger.skipped) != skipped {
      found.append(
        "I5: \(name) counts \(evidence.ledger.applied) applied and \(evidence.ledger.skipped) skipped, "
          + "\(applied.count) and \(skipped) were")
    }
    if name == "totals" {
      found += compare(totals(applied, edition), "totals") + compare(amounts(applied), "amounts")
    } else {
      found += compare(arrivals(applied), "arrivals")
    }
    for table in evidence.unsealed { found.append("I3: the digest beside \(name) is not that of \(table)") }
    return found
  }

  private func totals(_ applied: [(LogWitness.Seen, PaidEvent?)], _ edition: Int) -> [String] {
    var rows: [String: (n: Int, mix: Int)] = [:]
    let factor = SimulationScripts.factors[edition]
    for (record, event) in applied {
      let old = rows[record.key] ?? (0, 7)
      rows[record.key] = (old.n + 1, (old.mix * factor + (event?.amount ?? 0)) % 1_000_003)
    }
    return rows.keys.sorted().map { "\($0)|\(rows[$0]!.n)|\(rows[$0]!.mix)" }
  }

  private func amounts(_ applied: [(LogWitness.Seen, PaidEvent?)]) -> [String] {
    var sums: [String: Int] = [:]
    for (record, event) in applied { sums[record.key, default: 0] += event?.amount ?? 0 }
    return sums.keys.sorted().map { "\($0)|\(sums[$0]!)" }
  }

  private func arrivals(_ applied: [(LogWitness.Seen, PaidEvent?)]) -> [String] {
    var counts: [String: Int] = [:]
    for (record, _) in applied { counts[record.key, default: 0] += 1 }
    return counts.keys.sorted().map { "\($0)|\(counts[$0]!)" }
  }

  private func compare(_ wanted: [String], _ table: String) -> [String] {
    let rows = evidence.rows[table] ?? []
    return rows == wanted ? [] : ["I3: the rows of \(table) are \(rows), fold(log) is \(wanted)"]
  }
}

import MoontideCore

/// Judges who reads the events of accounts through upcasters: the projection `till` and the consumer
/// `clerk`. Nothing ever fails at them.
struct AccountReaderOracle {
  private let evidence: HandlerEvidence
  private let below: [LogWitness.Seen]

  init(_ evidence: HandlerEvidence) {
    self.evidence = evidence
    below = evidence.matched.filter { evidence.isBelow($0) }
  }

  private var name: String { evidence.name }

  func violations() -> [String] {
    var found: [String] = []
    let dropped = below.count { AccountFold.parts(of: $0).isEmpty }
    let ledger = evidence.ledger
    if Int(ledger.skipped) != dropped || Int(ledger.applied) != below.count - dropped {
      found.append(
        "I5: \(name) counts \(ledger.applied) applied and \(ledger.skipped) skipped, "
          + "\(below.count - dropped) and \(dropped) were")
    }
    if !evidence.deadPositions.isEmpty || !ledger.parked.isEmpty {
      found.append("I5: \(name) gave up \(evidence.deadPositions), parked \(ledger.parked)")
    }
    return found + (name == "till" ? rows() : effects())
  }

  // MARK: The projection

  private func rows() -> [String] {
    guard let edition = SimulationScripts.tillEditions[evidence.scriptVersion] else {
      return ["I3: \(name) was made by a script that nobody wrote: \(evidence.scriptVersion)"]
    }
    var tills: [String: (count: Int, cents: Int, tags: Int)] = [:]
    var parts: [String: Int] = [:]
    for record in below {
      for part in AccountFold.parts(of: record) {
        let cents = part.type == "Deposited" ? part.cents : -part.cents
        let tag = part.type == "Deposited" ? part.tags[edition] : 0
        let old = tills[record.key] ?? (0, 0, 0)
        tills[record.key] = (old.count + 1, old.cents + cents, old.tags + tag)
        parts[part.id] = cents
      }
    }
    let wanted = [
      "tills": tills.keys.sorted().map { "\($0)|\(tills[$0]!.count)|\(tills[$0]!.cents)|\(tills[$0]!.tags)" },
      "parts": parts.keys.sorted().map { "\($0)|\(parts[$0]!)" },
    ]
    var found: [String] = []
    for (table, rows) in wanted where evidence.rows[table] ?? [] != rows {
      found.append("I3: the rows of \(table) are \(evidence.rows[table] ?? []), fold(log) is \(rows)")
    }
    for table in evidence.unsealed { found.append("I3: the digest beside \(name) is not that of \(table)") }
    return found
  }

  // MARK: The consumer

  /// What it emitted and sent by key, in order, and what it should have.
  private func effects() -> [String] {
    var made: [String: [String]] = [:]
    var inLog: Set<String> = []
    for record in evidence.records where record.source == name && record.kind != .outcome {
      made[record.key, default: []].append("\(record.topic) \(record.type) \(record.data)")
      inLog.insert(record.id)
    }
    for event in evidence.outbox where !inLog.contains(String(decoding: event.id, as: UTF8.self)) {
      made[String(decoding: event.key, as: UTF8.self), default: []].append(
        "\(event.topic) \(String(decoding: event.type, as: UTF8.self)) "
          + String(decoding: event.data, as: UTF8.self))
    }
    var wanted: [String: [String]] = [:]
    for record in below {
      for part in AccountFold.parts(of: record) {
        let of = "\"of\":\"\(part.id)\""
        wanted[record.key, default: []].append("slips Slip {\"cents\":\(part.cents),\(of)}")
        guard part.cents % 4 == 1 else { continue }
        wanted[record.key]!.append(
          "_commands Deposit {\"account\":\"\(record.key)\",\"amount\":\(part.cents % 7),\(of)}")
      }
    }
    return Set(made.keys).union(wanted.keys).sorted().filter { made[$0] != wanted[$0] }.map {
      "I4, I7: \(name) made \(made[$0] ?? []) for \($0), it should have made \(wanted[$0] ?? [])"
    }
  }
}

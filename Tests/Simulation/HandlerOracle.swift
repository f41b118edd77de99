import MoontideCore

/// What a handler's file says, and the log up to the durable end: enough to judge it.
struct HandlerEvidence {
  var name: String
  var ledger: HandlerLedger
  var deadPositions: [UInt64]
  /// Emitted, and not noted as relayed.
  var outbox: [OutboxEvent]
  /// Rows of the tables that the handler has, cells joined with `|`, by table.
  var rows: [String: [String]]
  var records: [LogWitness.Seen]
}

/// Computes over dictionaries what a handler must have done, and compares. Checks I3 to I7.
struct HandlerOracle {
  let evidence: HandlerEvidence
  let events: [String: PaidEvent]
  private let handlesReceipts: Bool

  init(_ evidence: HandlerEvidence, events: [String: PaidEvent]) {
    self.evidence = evidence
    self.events = events
    handlesReceipts = evidence.name == "arrivals"
  }

  private func event(_ record: LogWitness.Seen) -> PaidEvent? { events[record.data] }

  private var matched: [LogWitness.Seen] {
    evidence.records.filter {
      $0.kind == .event && $0.type == (handlesReceipts ? "Receipt" : "Paid") && !$0.topic.hasPrefix("_")
    }
  }

  private func isBelow(_ record: LogWitness.Seen) -> Bool {
    guard let topic = TopicName(record.topic) else { return false }
    let place = TopicPartition(topic: topic, partition: record.partition)
    return record.position < evidence.ledger.checkpoints[place]?.value ?? 0
  }

  private func fails(_ record: LogWitness.Seen) -> Bool {
    switch evidence.name {
    case "totals", "receipts": event(record)?.isBad ?? false
    case "gate": event(record)?.isPoison ?? false
    default: false
    }
  }

  private func parked(_ record: LogWitness.Seen) -> ParkedKey? {
    evidence.ledger.parked.first { $0.topic.text == record.topic && $0.key == Array(record.key.utf8) }
  }

  /// Events that were applied, in order; with what contradicts itself about the others.
  private func sort(_ found: inout [String]) -> [LogWitness.Seen] {
    var applied: [LogWitness.Seen] = []
    var held: [String: [UInt64]] = [:]
    var dead: Set<UInt64> = []
    let name = evidence.name
    for record in matched where isBelow(record) {
      if let key = parked(record), record.position >= key.position.value {
        if record.position > key.position.value {
          held["\(record.topic) \(record.key)", default: []].append(record.position)
        } else if key.status == .dead {
          dead.insert(record.position)
        }
      } else if fails(record) {
        if name == "gate" {
          found.append("I5: gate passed the event at \(record.position), which stops its key")
        }
        dead.insert(record.position)
      } else {
        applied.append(record)
      }
    }
    for key in evidence.ledger.parked {
      let behind = held["\(key.topic.text) \(String(decoding: key.key, as: UTF8.self))"] ?? []
      if key.held.map(\.value) != behind {
        found.append("I5: \(name) holds \(key.held) behind \(key.position), it should hold \(behind)")
      }
      let isThere = matched.contains { $0.position == key.position.value && isBelow($0) }
      if !isThere { found.append("I5: \(name) parks \(key.position), which it has not read") }
    }
    if Set(evidence.deadPositions) != dead || evidence.deadPositions.count != dead.count {
      found.append("I5: \(name) has dead letters \(evidence.deadPositions), it should have \(dead.sorted())")
    }
    return applied
  }

  func violations(durableEnd: Position) -> [String] {
    var found: [String] = []
    let ledger = evidence.ledger
    let name = evidence.name
    for (place, position) in ledger.checkpoints where position > durableEnd {
      found.append("I6: \(name) is at \(position) of \(place.topic), beyond the durable end \(durableEnd)")
    }
    let applied = sort(&found)
    let held = ledger.parked.reduce(0) { $0 + $1.held.count + ($1.status == .retrying ? 1 : 0) }
    let lag = matched.count { !isBelow($0) }
    let sum = Int(ledger.applied + ledger.skipped) + lag + held + ledger.deadLetters
    if sum != matched.count {
      found.append(
        "I5: \(name): \(matched.count) published, \(ledger.applied) applied + \(lag) before it + "
          + "\(held) held + "
          + "\(ledger.deadLetters) dead + \(ledger.skipped) skipped")
    }
    if Int(ledger.applied) != applied.count {
      found.append("I5: \(name) counts \(ledger.applied) applied, \(applied.count) were")
    }
    switch name {
    case "totals": found += compareRows(totals(applied), "totals") + compareRows(amounts(applied), "amounts")
    case "arrivals": found += compareRows(arrivals(applied), "arrivals")
    default: found += compareEmissions(applied)
    }
    return found
  }

  /// Once everything is at rest: nothing before it, nothing waiting but for a person.
  func unfinished() -> [String] {
    var found: [String] = []
    let lag = matched.count { !isBelow($0) }
    if lag > 0 { found.append("I10: \(evidence.name) has \(lag) events before it") }
    if !evidence.outbox.isEmpty {
      found.append("I10: the outbox of \(evidence.name) has \(evidence.outbox.count) events")
    }
    for key in evidence.ledger.parked where key.status == .retrying {
      found.append("I10: \(evidence.name) still tries \(key.position)")
    }
    return found
  }

  // MARK: Read models

  private func totals(_ applied: [LogWitness.Seen]) -> [String] {
    var rows: [String: (n: Int, mix: Int)] = [:]
    for record in applied {
      let old = rows[record.key] ?? (0, 7)
      rows[record.key] = (old.n + 1, (old.mix * 31 + (event(record)?.amount ?? 0)) % 1_000_003)
    }
    return rows.keys.sorted().map { "\($0)|\(rows[$0]!.n)|\(rows[$0]!.mix)" }
  }

  private func amounts(_ applied: [LogWitness.Seen]) -> [String] {
    var sums: [String: Int] = [:]
    for record in applied { sums[record.key, default: 0] += event(record)?.amount ?? 0 }
    return sums.keys.sorted().map { "\($0)|\(sums[$0]!)" }
  }

  private func arrivals(_ applied: [LogWitness.Seen]) -> [String] {
    var counts: [String: Int] = [:]
    for record in applied { counts[record.key, default: 0] += 1 }
    return counts.keys.sorted().map { "\($0)|\(counts[$0]!)" }
  }

  private func compareRows(_ wanted: [String], _ table: String) -> [String] {
    let rows = evidence.rows[table] ?? []
    return rows == wanted ? [] : ["I3: the rows of \(table) are \(rows), fold(log) is \(wanted)"]
  }

  // MARK: Effects

  private func compareEmissions(_ applied: [LogWitness.Seen]) -> [String] {
    var wanted: [String: [String]] = [:]
    var counts: [String: Int] = [:]
    for record in applied {
      counts[record.key, default: 0] += 1
      let n = counts[record.key]!
      let type = evidence.name == "gate" ? "Passed" : "Receipt"
      wanted[record.key, default: []].append("\(type) {\"n\":\(n),\"of\":\"\(record.id)\"}")
      if evidence.name == "receipts", event(record)?.isDouble == true {
        wanted[record.key]!.append("Copy {\"of\":\"\(record.id)\"}")
      }
    }
    var real: [String: [String]] = [:]
    var inLog: Set<String> = []
    for record in evidence.records where record.source == evidence.name {
      real[record.key, default: []].append("\(record.type) \(record.data)")
      inLog.insert(record.id)
    }
    for event in evidence.outbox where !inLog.contains(String(decoding: event.id, as: UTF8.self)) {
      real[String(decoding: event.key, as: UTF8.self), default: []].append(
        "\(String(decoding: event.type, as: UTF8.self)) \(String(decoding: event.data, as: UTF8.self))")
    }
    var found: [String] = []
    for key in Set(wanted.keys).union(real.keys).sorted() where wanted[key] ?? [] != real[key] ?? [] {
      found.append(
        "I4, I7: effects of \(evidence.name) for \(key) are \(real[key] ?? []), they should be "
          + "\(wanted[key] ?? [])")
    }
    return found
  }
}

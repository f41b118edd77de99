import MoontideCore

/// Compares the log with what the world wrote: I1 for clients and for files.
struct LogOracle {
  let world: OutsideWorld
  let records: [LogWitness.Seen]

  /// What was promised so far, whatever happened: every acknowledged event is there, and what is there was
  /// written by somebody.
  func promised() -> [String] {
    var found: [String] = []
    var bodies: [String: String] = [:]
    for record in records
    where record.kind == .event && record.source.isEmpty && record.topic != "accounts" {
      bodies["\(record.topic) \(record.id)"] = record.data
      guard let event = world.events[record.data] else {
        found.append("I1: nobody wrote the event at \(record.position): \(record)")
        continue
      }
      if event.id != record.id || event.key != record.key || event.topic != record.topic
        || record.type != "Paid"
      {
        found.append("I1: \(event) became \(record)")
      }
    }
    for event in world.acknowledged {
      let body = bodies["\(event.topic) \(event.id)"]
      if body != event.data {
        found.append("I1: \(event.id) was acknowledged with \(event.data), the log has \(body ?? "nothing")")
      }
    }
    return found
  }

  /// Once ingest has caught up: every line is an event, a repeat of one, or in quarantine, once.
  /// - Parameter commands: who judges commands and accounts.
  func complete(_ commands: CommandOracle) -> [String] {
    var found: [String] = []
    var held: [String: LogWitness.Seen] = [:]
    var quarantined: [String: Int] = [:]
    var notes: [String: String] = [:]
    for record in records {
      if record.kind == .quarantine {
        let place = record.id.split(separator: ":").prefix(2).joined(separator: ":")
        quarantined[place, default: 0] += 1
        notes[place, default: ""] += " #\(record.position) \(record.data)"
      } else if record.source.isEmpty {
        held["\(record.topic) \(record.id)"] = record
      }
    }
    for source in world.sources {
      var last: [String: UInt64] = [:]
      for line in source.lines {
        let place = "\(source.inode):\(line.offset)"
        let times = quarantined.removeValue(forKey: place) ?? 0
        let shown = "\(source.path) byte \(line.offset)"
        switch line.kind {
        case .blank: if times != 0 { found.append("I1: a blank line was quarantined: \(shown)") }
        case .bad: if times != 1 { found.append("I1: a bad line was quarantined \(times) times: \(shown)") }
        case .good(let event):
          guard let record = held["\(event.topic) \(event.id)"] else {
            found.append("I1: \(event.id) of \(shown) is not in the log")
            continue
          }
          let isWinner = record.data == event.data
          if times != (isWinner ? 0 : 1) {
            found.append(
              "I1: \(event.id) of \(shown) was quarantined \(times) times, "
                + "the log has \(isWinner ? "it" : "another body") at #\(record.position)"
                + notes[place, default: ""])
          }
          if isWinner, world.isOnce(event), record.position < last[event.key] ?? 0 {
            found.append("I2: \(event.id) of \(shown) lies before an earlier line of its key")
          }
          if isWinner, world.isOnce(event) { last[event.key] = record.position }
        }
      }
    }
    found += commands.complete(&quarantined)
    for place in quarantined.keys.sorted() { found.append("I1: a record keeps no line: \(place)") }
    return found
  }
}

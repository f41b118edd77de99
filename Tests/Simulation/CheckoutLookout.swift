import MoontideCore
import MoontideSQLite

/// Looks at the log, the instances of sagas and the ledger of effects of a process, and says what is wrong.
final class CheckoutLookout {
  /// What is still to come with time.
  struct Due {
    /// When event time is to move on to.
    var event: Int64?
    /// When the time of day is.
    var wall: Int64?
    var hasEffects = false
  }

  let witness = LogWitness()
  private let desk: EffectDesk
  private let customers: Customers
  private let orders = OrderOracle()
  private let nags = NagOracle()
  /// The furthest checkpoints: none of these handlers may go back.
  private var furthest: [String: [TopicPartition: Position]] = [:]
  /// Whether a life with mended scripts has been.
  var wasMended = false
  private var found: [String] = []

  init(_ desk: EffectDesk, _ customers: Customers) {
    self.desk = desk
    self.customers = customers
  }

  func look(at life: ProcessLife, again: Bool) -> [String] {
    found = []
    do throws(LogError) {
      if again { try witness.readAgain(life.seam) } else { try witness.readOn(life.seam) }
    } catch { found.append("I1: the log cannot be read: \(error)") }
    found += witness.violations
    for record in witness.records where record.kind == .result { desk.results.insert(record.id) }
    orders.read(witness.records)
    found += orders.violations + desk.violations
    for handler in life.handlers { look(at: handler, life) }
    return found
  }

  private func look(at handler: HandlerLife, _ life: ProcessLife) {
    let name = handler.definition.name
    do throws(StoreError) {
      guard let store = handler.reacting, let evidence = try handler.evidence(witness.records) else { return }
      for (place, position) in evidence.ledger.checkpoints where position > life.log.durableEnd {
        found.append("I6: \(name) is at \(position) of \(place.topic), beyond \(life.log.durableEnd)")
      }
      for (place, position) in furthest[name] ?? [:]
      where evidence.ledger.checkpoints[place] ?? .start < position {
        found.append("I6: \(name) was at \(position) of \(place.topic)/\(place.partition) and went back")
      }
      furthest[name] = evidence.ledger.checkpoints
      switch name {
      case "reminder": found += try nags.violations(evidence, store.openTimers())
      case "herald":
        found += EffectOracle(evidence, try store.wholeLedger(), desk: desk, wasMended: wasMended)
          .violations()
      default: break
      }
    } catch { found.append("the store of \(name) cannot be read: \(error)") }
  }

  /// What must hold besides once everything is at rest, after a look.
  func lookAtRest(_ life: ProcessLife, isMended: Bool) -> [String] {
    found = orders.unfinished(written: customers.written)
    for handler in life.handlers {
      let name = handler.definition.name
      do throws(StoreError) {
        guard let store = handler.reacting, let evidence = try handler.evidence(witness.records) else {
          continue
        }
        found += atRest(evidence, isMended: isMended)
        switch name {
        case "checkout":
          let letters = Set(evidence.ledger.parked.map { String(decoding: $0.key, as: UTF8.self) })
          found += try orders.atRest(store, parked: letters, isMended: isMended)
        case "herald":
          found += EffectOracle(evidence, try store.wholeLedger(), desk: desk, wasMended: wasMended)
            .unfinished(isMended: isMended)
        default: break
        }
      } catch { found.append("the store of \(name) cannot be read: \(error)") }
    }
    return found
  }

  private func atRest(_ evidence: HandlerEvidence, isMended: Bool) -> [String] {
    let (name, ledger) = (evidence.name, evidence.ledger)
    var found: [String] = []
    if !evidence.outbox.isEmpty {
      found.append("I10: the outbox of \(name) has \(evidence.outbox.count) events")
    }
    for key in ledger.parked where key.status == .retrying {
      found.append("I10: \(name) still tries \(key.position)")
    }
    let lag = evidence.matched.count { !evidence.isBelow($0) }
    if lag > 0 { found.append("I10: \(name) has \(lag) events before it") }
    // At rest every parked record is dead, and counted as a dead letter; what is no event is not published.
    let published = evidence.published
    let waiting = ledger.parked.flatMap(\.held).count { published.contains($0.value) }
    let dead = evidence.deadPositions.count { published.contains($0) }
    if Int(ledger.applied + ledger.skipped) + waiting + dead != published.count {
      found.append(
        "I5: \(name): \(published.count) published, \(ledger.applied) applied + \(ledger.skipped) skipped + "
          + "\(waiting) held + \(dead) dead")
    }
    if isMended, !evidence.deadPositions.isEmpty || !ledger.parked.isEmpty {
      found.append(
        "I10: \(name) was mended and everything tried again; dead are \(evidence.deadPositions), "
          + "parked \(ledger.parked.map(\.position))")
    }
    return found
  }

  var tally: [String: Int] {
    orders.tally.merging(["requests": desk.requests, "effects": desk.keys.count]) { $0 + $1 }
  }

  func nextTimers(_ life: ProcessLife) -> Due {
    var due = Due()
    for handler in life.handlers {
      guard let store = handler.reacting else { continue }
      do throws(StoreError) {
        // Tries of what was refused come by themselves.
        if handler.definition.kind == .saga {
          let next = try store.nextTimer(.event)
          if handler.definition.name == "reminder" { due.event = next } else { due.wall = next }
        }
        if try !store.openEffects(from: 0, limit: 1).isEmpty { due.hasEffects = true }
      } catch { preconditionFailure("timers that cannot be read without a fault: \(error)") }
    }
    return due
  }
}

extension ConsumerStore {
  /// How many timers are set and not announced, by instance.
  func openTimers() throws(StoreError) -> [String: Int] {
    var timers: [String: Int] = [:]
    for timer in try self.timers(.event, through: .max, limit: 10_000) {
      timers[String(decoding: timer.key, as: UTF8.self), default: 0] += 1
    }
    return timers
  }
}

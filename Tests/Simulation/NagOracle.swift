import MoontideCore

/// Computes the saga `reminder` a second time from the log alone: it goes by event time, so when its timers
/// fire follows from the records before: I9. Keeps what it has read.
final class NagOracle {
  private struct Instance {
    var reminders = 0
    var timersSet: UInt64 = 0
    /// The only timer that is set.
    var timer: (ordinal: UInt64, due: Int64)?
    var hasEnded = false

    mutating func set(at microseconds: Int64, minutes: Int) {
      timer = (timersSet, microseconds + Int64(minutes) * 60_000_000)
      timersSet += 1
    }
  }

  private var instances: [String: Instance] = [:]
  private var time = Int64.min
  private var next = 0
  /// What must have been said so far, by order.
  private var nags: [String: [String]] = [:]
  /// Firings, by instance and ordinal.
  private var firings: Set<String> = []

  /// - Parameter timers: how many are set, by instance.
  func violations(_ evidence: HandlerEvidence, _ timers: [String: Int]) -> [String] {
    let place = Int(evidence.ledger.checkpoints.values.max()?.value ?? 0)
    guard place >= next, place <= evidence.records.count else { return [] }
    while next < place {
      take(evidence.records[next])
      next += 1
    }
    return compare(evidence) + compareTimers(timers)
  }

  private func take(_ record: LogWitness.Seen) {
    let isEvent = record.kind == .event
    if isEvent || record.kind == .timer && record.type == "TimeAdvanced" {
      time = max(time, record.microseconds)
    }
    fire()
    guard isEvent, let order = MemberText(record.data).texts("order").first else { return }
    var instance = instances[order] ?? Instance()
    switch record.type {
    case "OrderCreated": instance.set(at: record.microseconds, minutes: CheckoutScripts.nag.first)
    case "PaymentRequested" where instances[order] != nil && !instance.hasEnded:
      instance.set(at: record.microseconds, minutes: CheckoutScripts.nag.paying)
    case "OrderConfirmed", "OrderCancelled":
      instance.hasEnded = true
      instance.timer = nil
    default: return
    }
    instances[order] = instance
    fire()
  }

  /// All that event time has made due; what these set may be due too.
  private func fire() {
    var hasFired = true
    while hasFired {
      hasFired = false
      for order in instances.keys {
        guard var instance = instances[order], let timer = instance.timer, timer.due <= time else { continue }
        hasFired = true
        firings.insert("\(order) \(timer.ordinal)")
        instance.timer = nil
        instance.reminders += 1
        nags[order, default: []].append("{\"n\":\(instance.reminders),\"order\":\"\(order)\"}")
        if instance.reminders < CheckoutScripts.nag.most {
          instance.set(at: timer.due, minutes: CheckoutScripts.nag.again)
        }
        instances[order] = instance
      }
    }
  }

  private func compare(_ evidence: HandlerEvidence) -> [String] {
    var said: [String: [String]] = [:]
    var fired: [String: Int] = [:]
    var ids: Set<String> = []
    for record in evidence.records where record.source == "reminder" {
      ids.insert(record.id)
      if record.kind == .timer {
        fired["\(record.key) \(MemberText(record.data).number("ordinal") ?? -1)", default: 0] += 1
      } else {
        said[MemberText(record.data).texts("order").first ?? "", default: []].append(record.data)
      }
    }
    for event in evidence.outbox where !ids.contains(String(decoding: event.id, as: UTF8.self)) {
      let data = String(decoding: event.data, as: UTF8.self)
      if event.topic == .timers {
        let key = String(decoding: event.key, as: UTF8.self)
        fired["\(key) \(MemberText(data).number("ordinal") ?? -1)", default: 0] += 1
      } else {
        said[MemberText(data).texts("order").first ?? "", default: []].append(data)
      }
    }
    var found: [String] = []
    for order in Set(said.keys).union(nags.keys).sorted() where said[order] ?? [] != nags[order] ?? [] {
      found.append("I9: \(order) was reminded by \(said[order] ?? []), due were \(nags[order] ?? [])")
    }
    for (firing, times) in fired.sorted(by: { $0.key < $1.key }) where times > 1 {
      found.append("I9: the timer \(firing) fired \(times) times")
    }
    let strange = Set(fired.keys).symmetricDifference(firings).sorted()
    if !strange.isEmpty { found.append("I9: the timers \(strange) fired and were not due, or the reverse") }
    return found
  }

  private func compareTimers(_ timers: [String: Int]) -> [String] {
    var wanted: [String: Int] = [:]
    for (order, instance) in instances where instance.timer != nil { wanted[order] = 1 }
    if timers == wanted { return [] }
    let wrong = Set(timers.keys).union(wanted.keys).filter { timers[$0] != wanted[$0] }.sorted()
    return ["I9: the timers of \(wrong) are set and should not be, or the reverse"]
  }
}

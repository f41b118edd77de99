import MoontideCore

/// The instances that a transaction has touched, over those that are kept. A value: what fails is dropped by
/// not putting it in.
struct SagaInstances {
  private let store: any SagaStore
  private let coding: SagaCoding
  /// Of older scripts by which instances end, by version.
  private let old: [String: SagaCoding]
  private var changed: [[UInt8]: SagaInstance] = [:]
  /// In the order of their first change, so that what is written does not depend on hashes.
  private var order: [[UInt8]] = []
  private var sent: [[UInt8]: [[UInt8]]] = [:]
  private var senders: [[UInt8]: [UInt8]] = [:]
  /// No timer of event time is due before; asked of the store when it is reached.
  private var leastDue: Int64
  /// Timers whose firing was announced of instances that were not read.
  private var announced: Set<SagaTimerRow> = []

  init(_ lane: SagaLane) throws(StoreError) {
    store = lane.store
    coding = lane.coding
    old = lane.old.mapValues(\.coding)
    leastDue = try store.nextTimer(.event) ?? .max
  }

  /// How many of those that were touched have ended.
  var ended: Int { changed.values.count { $0.hasEnded } }

  func find(_ key: [UInt8]) throws(SagaStoreFault) -> SagaInstance? {
    if let known = changed[key] { return known }
    let row: SagaRow?
    do throws(StoreError) { row = try store.saga(key) } catch { throw .store(error) }
    guard let row else { return nil }
    guard let instance = old[row.scriptVersion]?.instance(row) ?? coding.instance(row) else {
      throw .misfit(row)
    }
    return instance
  }

  /// The version of the script by which an instance stands; nil when there is no instance.
  func version(of key: [UInt8]) throws(SagaStoreFault) -> String? {
    if let known = changed[key] { return known.version }
    do throws(StoreError) { return try store.saga(key)?.scriptVersion } catch { throw .store(error) }
  }

  /// The firing of a timer is on its way, of an instance that cannot be read yet.
  mutating func announce(_ timer: SagaTimerRow) { announced.insert(timer) }

  /// What becomes of the open instances of an older script: those that ended, and others.
  func standing(by version: String) -> (ended: Set<[UInt8]>, open: Set<[UInt8]>) {
    let touched = changed.values.filter { $0.version == version }
    return (Set(touched.filter(\.hasEnded).map(\.key)), Set(touched.filter { !$0.hasEnded }.map(\.key)))
  }

  /// The instance that sent a command.
  func key(ofCommand id: [UInt8]) throws(SagaStoreFault) -> [UInt8]? {
    if let known = senders[id] { return known }
    do throws(StoreError) { return try store.sagaKey(ofCommand: id) } catch { throw .store(error) }
  }

  /// The only instance with that trace; nil when there are several.
  func key(traced trace: [UInt8]) throws(SagaStoreFault) -> [UInt8]? {
    var keys: Set<[UInt8]> = []
    do throws(StoreError) { keys = Set(try store.sagaKeys(traced: trace, limit: 2)) } catch {
      throw .store(error)
    }
    for instance in changed.values where instance.trace == trace { keys.insert(instance.key) }
    return keys.count == 1 ? keys.first : nil
  }

  /// - Parameter ids: of the commands that it sent since.
  mutating func put(_ instance: SagaInstance, sent ids: [[UInt8]]) {
    if changed.updateValue(instance, forKey: instance.key) == nil { order.append(instance.key) }
    if !ids.isEmpty {
      sent[instance.key, default: []] += ids
      for id in ids { senders[id] = instance.key }
    }
    for timer in instance.timers where timer.isOfEventTime {
      leastDue = min(leastDue, timer.due)
    }
  }

  /// Timers of event time that are due, the earliest first; and whether there may be more than those.
  mutating func due(through microseconds: Int64) throws(SagaStoreFault) -> (
    timers: [SagaTimerRow], more: Bool
  ) {
    if microseconds < leastDue { return ([], false) }
    let kept: [SagaTimerRow]
    do throws(StoreError) {
      kept = try store.timers(.event, through: microseconds, limit: Limits.sagaFiringsMax)
    } catch { throw .store(error) }
    var timers = kept.filter { changed[$0.key] == nil && !announced.contains($0) }
    var least = Int64.max
    for key in order {
      guard let instance = changed[key] else { continue }
      for timer in row(instance).timers where timer.isOfEventTime {
        if timer.dueMicroseconds <= microseconds { timers.append(timer) }
        least = min(least, timer.dueMicroseconds)
      }
    }
    let more = kept.count == Limits.sagaFiringsMax
    if timers.isEmpty, !more {
      // The next of the store behind the instant: those before it are of instances that changed since.
      leastDue = min(least, microseconds.addingSaturated(1))
      if kept.isEmpty {
        do throws(StoreError) { leastDue = min(least, try store.nextTimer(.event) ?? .max) } catch {
          throw .store(error)
        }
      }
    }
    timers.sort {
      ($0.dueMicroseconds, $0.ordinal) == ($1.dueMicroseconds, $1.ordinal)
        ? $0.key.lexicographicallyPrecedes($1.key)
        : ($0.dueMicroseconds, $0.ordinal) < ($1.dueMicroseconds, $1.ordinal)
    }
    return (timers, more)
  }

  /// What is to be written.
  var rows: [SagaRow] {
    order.compactMap { key in changed[key].map { row($0, sent: sent[key] ?? []) } }
  }

  private func row(_ instance: SagaInstance, sent: [[UInt8]] = []) -> SagaRow {
    (old[instance.version] ?? coding).row(instance, sent: sent)
  }
}

extension SagaTimer {
  /// Whether event time fires it.
  fileprivate var isOfEventTime: Bool {
    if case .waits = announcement { return false }
    return clock == .event
  }
}

extension SagaTimerRow {
  fileprivate var isOfEventTime: Bool {
    if case .waits = announcement { return false }
    return clock == .event
  }
}

/// Why an instance cannot be had.
enum SagaStoreFault: Error {
  case store(StoreError)
  /// It stands on steps that its saga no longer has in that order, or is not readable.
  case misfit(SagaRow)
}

import MoontideCore

/// The instances that a transaction has touched, over those that are kept: what fails is dropped by not
/// putting it in. A class, so that asking it for each record copies nothing.
final class SagaInstances {
  private let store: any SagaStore
  private let coding: SagaCoding
  /// Of older scripts by which instances end, by version.
  private let old: [String: SagaCoding]
  private var changed: [ByteKey: SagaInstance] = [:]
  /// In the order of their first change, so that what is written does not depend on hashes.
  private var order: [ByteKey] = []
  private var sent: [ByteKey: [[UInt8]]] = [:]
  private var senders: [ByteKey: [UInt8]] = [:]
  /// The correlation values of changed instances, by trace.
  private var traced: [ByteKey: [[UInt8]]] = [:]
  private var clockwork: DueTimers
  private let memory: SagaMemory

  init(_ lane: SagaLane) throws(StoreError) {
    store = lane.store
    coding = lane.coding
    old = lane.old.mapValues(\.coding)
    memory = lane.memory
    clockwork = try DueTimers(store)
  }

  /// How many of those that were touched have ended.
  var ended: Int { changed.values.count { $0.hasEnded } }

  func find(_ key: [UInt8]) throws(SagaStoreFault) -> SagaInstance? {
    if let known = known(key) { return known }
    let row: SagaRow?
    do throws(StoreError) { row = try store.saga(key) } catch { throw .store(error) }
    guard let row else { return nil }
    guard let instance = old[row.scriptVersion]?.instance(row) ?? coding.instance(row) else {
      throw .misfit(row)
    }
    return instance
  }

  /// The instance where it need not be read. One of an older script that is gone is read by today's.
  private func known(_ key: [UInt8]) -> SagaInstance? {
    if let instance = changed[ByteKey(key)] { return instance }
    guard let instance = memory.find(key) else { return nil }
    return instance.version == coding.scriptVersion || old[instance.version] != nil ? instance : nil
  }

  /// The version of the script by which an instance stands; nil when there is no instance.
  func version(of key: [UInt8]) throws(SagaStoreFault) -> String? {
    if let known = changed[ByteKey(key)] ?? memory.find(key) { return known.version }
    do throws(StoreError) { return try store.saga(key)?.scriptVersion } catch { throw .store(error) }
  }

  /// What becomes of the open instances of an older script: those that ended, and others.
  func standing(by version: String) -> (ended: Set<[UInt8]>, open: Set<[UInt8]>) {
    let touched = changed.values.filter { $0.version == version }
    return (Set(touched.filter(\.hasEnded).map(\.key)), Set(touched.filter { !$0.hasEnded }.map(\.key)))
  }

  /// The instance that sent a command.
  func key(ofCommand id: [UInt8]) throws(SagaStoreFault) -> [UInt8]? {
    if let known = senders[ByteKey(id)] ?? memory.key(ofCommand: id) { return known }
    do throws(StoreError) { return try store.sagaKey(ofCommand: id) } catch { throw .store(error) }
  }

  /// The only instance with that trace; nil when there are several.
  func key(traced trace: [UInt8]) throws(SagaStoreFault) -> [UInt8]? {
    var keys: Set<[UInt8]> = []
    do throws(StoreError) { keys = Set(try store.sagaKeys(traced: trace, limit: 2)) } catch {
      throw .store(error)
    }
    keys.formUnion(traced[ByteKey(trace)] ?? [])
    return keys.count == 1 ? keys.first : nil
  }

  /// - Parameter ids: of the commands that it sent since.
  func put(_ instance: SagaInstance, sent ids: [[UInt8]]) {
    let key = ByteKey(instance.key)
    let before = changed.updateValue(instance, forKey: key)
    if before == nil {
      order.append(key)
      traced[ByteKey(instance.trace), default: []].append(instance.key)
    }
    clockwork.note(instance, before: before)
    if !ids.isEmpty {
      sent[key, default: []] += ids
      for id in ids { senders[ByteKey(id)] = instance.key }
    }
  }

  /// The next timer of event time that is due, the earliest first; each is given once.
  func nextDue(through microseconds: Int64) throws(SagaStoreFault) -> SagaTimerRow? {
    let due: DueTimers.Due?
    do throws(StoreError) { due = try clockwork.next(through: microseconds, changed) } catch {
      throw .store(error)
    }
    switch due {
    case nil: return nil
    case .kept(let row)?: return row
    case .set(let key, let ordinal)?:
      guard let instance = changed[ByteKey(key)] else { return nil }
      return instance.timers.first { $0.ordinal == ordinal }.map { coding(of: instance).row($0, of: key) }
    }
  }

  /// What is to be written.
  var rows: [SagaRow] {
    order.compactMap { key in
      guard let instance = changed[key] else { return nil }
      var row = coding(of: instance).row(instance, sent: sent[key] ?? [])
      if let kept = memory.find(key.bytes) {
        row.hasNewTimers = kept.timers != instance.timers
        row.isNewlyPlaced = kept.hasEnded != instance.hasEnded || kept.version != instance.version
      }
      return row
    }
  }

  /// It is written: what was changed is what the file has.
  func keep() {
    for key in order { if let instance = changed[key] { memory.keep(instance) } }
  }

  private func coding(of instance: SagaInstance) -> SagaCoding { old[instance.version] ?? coding }
}

extension SagaTimer {
  /// Whether event time fires it.
  var isOfEventTime: Bool {
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

import MoontideCore

/// Finds records by identity and by key: the newest entries in memory, older ones in sealed tables that wait
/// to be written, the rest in sorted runs on disk. Says where a record may lie; the log proves it.
///
/// `@unchecked Sendable`: everything mutable is guarded by `gate`; only the appender adds, so the appender
/// alone may look into the newest table without it.
final class LogIndex: @unchecked Sendable {
  /// A sealed table with the point of the log that it reaches.
  struct Frozen {
    var table: MemoryIndex
    var point: LogPoint
  }

  /// What a lookup asks; runs and sealed tables never change.
  struct View {
    var active: MemoryIndex
    var frozen: [MemoryIndex]
    var runs: [SortedRun]
  }

  enum Kind: Sendable {
    case identities, keys
  }

  let log: LogIdentity
  let sealEntries: Int
  private let gate = Gate()
  private var active: MemoryIndex
  private var frozen: [Frozen] = []
  /// How often waiters were woken for no sealed table.
  private var wakes: UInt64 = 0
  private var identityRuns: [SortedRun]
  private var keyRuns: [SortedRun]

  init(log: LogIdentity, sealEntries: Int, identityRuns: [SortedRun], keyRuns: [SortedRun]) {
    self.log = log
    self.sealEntries = sealEntries
    self.identityRuns = identityRuns
    self.keyRuns = keyRuns
    active = Self.table(sealEntries)
  }

  private static func table(_ sealEntries: Int) -> MemoryIndex {
    MemoryIndex(capacity: sealEntries + Limits.batchRecordsMax)
  }

  func view(_ kind: Kind) -> View {
    gate.lock()
    defer { gate.unlock() }
    return View(
      active: active, frozen: frozen.map(\.table), runs: kind == .identities ? identityRuns : keyRuns)
  }

  /// For the appender: where each of these identities may lie, as (index, address) pairs.
  func candidates(
    _ hashes: [IndexHash], scratch: inout [UInt8], into found: inout [(index: Int, address: LogAddress)]
  ) throws(LogError) {
    let view = view(.identities)
    var addresses: [LogAddress] = []
    func take(_ index: Int) {
      for address in addresses { found.append((index, address)) }
      addresses.removeAll(keepingCapacity: true)
    }
    // Table by table: the misses of many independent lookups overlap.
    for table in [view.active] + view.frozen {
      for index in hashes.indices where table.mayHold(hashes[index]) {
        table.find(identity: hashes[index], into: &addresses)
        if !addresses.isEmpty { take(index) }
      }
    }
    for run in view.runs {
      let filter = run.filter
      for index in hashes.indices where filter.mayHold(hashes[index].value) {
        try run.find(hashes[index], log: log, scratch: &scratch, into: &addresses)
        if !addresses.isEmpty { take(index) }
      }
    }
  }

  /// Where this identity may lie.
  func find(identity: IndexHash) throws(LogError) -> [LogAddress] {
    var found: [LogAddress] = []
    var scratch: [UInt8] = []
    gate.lock()
    active.find(identity: identity, into: &found)
    gate.unlock()
    let view = view(.identities)
    for table in view.frozen { table.find(identity: identity, into: &found) }
    // A table may have been frozen in between: then it was asked twice, which does no harm.
    for run in view.runs where run.filter.mayHold(identity.value) {
      try run.find(identity, log: log, scratch: &scratch, into: &found)
    }
    return found
  }

  /// Where the records of this key may lie.
  func find(key: IndexHash) throws(LogError) -> KeyEntries {
    var newest: [LogAddress] = []
    gate.lock()
    let view = View(active: active, frozen: frozen.map(\.table), runs: keyRuns)
    active.find(key: key, into: &newest)
    gate.unlock()
    var entries = KeyEntries(key, log: log)
    for run in view.runs { try entries.add(run) }
    for table in view.frozen {
      var sealed: [LogAddress] = []
      table.find(key: key, into: &sealed)
      entries.add(sealed.reversed())
    }
    entries.add(newest.reversed())
    return entries
  }

  /// Adds the records of one written batch; true when a table was sealed (then someone should write it).
  func add(
    _ identities: [IndexHash], _ keys: [IndexHash], at addresses: [LogAddress], reaching point: LogPoint
  ) -> Bool {
    gate.lock()
    defer { gate.unlock() }
    active.add(identities, keys, at: addresses)
    guard active.isFull(sealEntries) else { return false }
    frozen.append(Frozen(table: active, point: point))
    active = Self.table(sealEntries)
    gate.wakeAll()
    return true
  }

  /// Seals the newest table even if it is not full; nothing when it is empty.
  func freeze(reaching point: LogPoint) {
    gate.lock()
    defer { gate.unlock() }
    guard active.count > 0 else { return }
    frozen.append(Frozen(table: active, point: point))
    active = Self.table(sealEntries)
    gate.wakeAll()
  }

  /// Whether the file of that path is a run of this index.
  func isRun(_ path: String) -> Bool {
    gate.lock()
    defer { gate.unlock() }
    return (identityRuns + keyRuns).contains { $0.path == path }
  }

  var oldestFrozen: Frozen? {
    gate.lock()
    defer { gate.unlock() }
    return frozen.first
  }

  /// Blocks until a sealed table waits, `wakeWaiters` is called, or for that long.
  func waitForFrozen(_ timeout: Duration) {
    let deadline = SystemClock().monotonic + timeout
    gate.lock()
    defer { gate.unlock() }
    let seen = wakes
    while frozen.isEmpty, wakes == seen, gate.wait(until: deadline) {}
  }

  func wakeWaiters() {
    gate.lock()
    defer { gate.unlock() }
    wakes += 1
    gate.wakeAll()
  }

  var frozenCount: Int {
    gate.lock()
    defer { gate.unlock() }
    return frozen.count
  }

  /// Puts the runs of the oldest sealed table in its place.
  func replaceOldest(identities: SortedRun, keys: SortedRun) {
    gate.lock()
    defer { gate.unlock() }
    frozen.removeFirst()
    identityRuns.append(identities)
    keyRuns.append(keys)
  }

  func runs(_ kind: Kind) -> [SortedRun] {
    gate.lock()
    defer { gate.unlock() }
    return kind == .identities ? identityRuns : keyRuns
  }

  /// Puts one run in the place of those that it was merged from.
  func replace(_ kind: Kind, _ merged: [SortedRun], by run: SortedRun) {
    gate.lock()
    defer { gate.unlock() }
    func swap(_ runs: inout [SortedRun]) {
      let first = runs.firstIndex { old in merged.contains { $0 === old } }!
      runs.removeAll { old in merged.contains { $0 === old } }
      runs.insert(run, at: first)
    }
    switch kind {
    case .identities: swap(&identityRuns)
    case .keys: swap(&keyRuns)
    }
  }
}

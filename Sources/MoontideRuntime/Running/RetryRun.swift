import MoontideCore
import MoontideLua

/// Tries the parked keys that are due, the oldest event first, many in one transaction. Where an event
/// passes, its key moves on to the next one that waits, and is unparked when none does; an event that fails
/// leaves nothing but its count of tries.
///
/// Keys whose events wait are thus gone through in the order of the log, however many they are, and what a
/// redrive costs is what the events cost.
struct RetryRun {
  /// A key by the log's number of its topic.
  private struct Place: Hashable {
    var topic: TopicID
    var key: [UInt8]
  }

  private let lane: HandlerLane
  private let batch: RecordBatch
  private var parked: ParkedKeys
  private var transaction: (any EffectTransaction)?
  /// Keys that changed, in the order in which they did: each is written once.
  private var touched: [Place] = []
  private var known: Set<Place> = []
  private var applied: UInt64 = 0
  private var skipped: UInt64 = 0
  private var emitted: UInt64 = 0
  private var dead = 0
  private var reports: [Diagnostic] = []
  private var halt: Diagnostic?
  /// How many records to read at once.
  private var window = 1
  private var now: Duration
  /// What was in vain: the time of tries that failed.
  private var lost = Duration.zero

  /// - Parameter batch: what it reads into.
  init(_ lane: HandlerLane, _ batch: RecordBatch) {
    self.lane = lane
    self.batch = batch
    parked = lane.parked
    now = lane.surroundings.clock.monotonic
    batch.records.removeAll(keepingCapacity: true)
  }

  /// False when no key is due.
  mutating func run() throws(WorkerStop) -> Bool {
    lane.host.storeError = nil
    do throws(WorkerStop) {
      guard try pass() else {
        // Only hints about what is due were looked through.
        lane.parked = parked
        return false
      }
      try commit()
      return true
    } catch {
      lane.host.transaction = nil
      if let transaction {
        self.transaction = nil
        do throws(StoreError) { try transaction.rollback() } catch { throw lane.stop(error) }
      }
      throw error
    }
  }

  private mutating func pass() throws(WorkerStop) -> Bool {
    let deadline = now + Limits.retryTimeMax
    var tries = 0
    while tries < Limits.retriesPerStep, now < deadline, halt == nil, let index = parked.next(at: now) {
      try go(index)
      tries += 1
      now = lane.surroundings.clock.monotonic
    }
    return tries > 0
  }

  /// One try of a key's first event.
  private mutating func go(_ index: Int) throws(WorkerStop) {
    let position = parked.entries[index].key.position
    guard var record = try self.record(at: position) else {
      // A repair of the log has given it up: it is not published any more, so it counts nowhere.
      _ = try open()
      return try moveOn(index)
    }
    record = lane.placed(record, in: batch)
    let route = lane.route(record, in: batch)
    let ruling = lane.rulings[position]
    let transaction = try open()
    guard lane.subscriptions.concerns(route, version: record.envelope.version), ruling != .skip
    else {
      skipped += 1
      return try moveOn(index)
    }
    if case .correct(let data)? = ruling { record = HandlerLane.corrected(record, data, in: batch) }
    try store { () throws(StoreError) in try transaction.savepoint() }
    let isApplied: Bool
    do throws(LuaFault) {
      isApplied = try lane.apply(record, route, in: batch)
    } catch {
      if let storeError = lane.host.storeError { throw lane.stop(storeError) }
      try store { () throws(StoreError) in try transaction.rollbackToSavepoint() }
      try lane.renewProgramIfSpent()
      return try failed(error, index, record)
    }
    if isApplied { applied += 1 } else { skipped += 1 }
    emitted += UInt64(lane.host.emitted)
    try moveOn(index)
  }

  /// The record at a position; those behind it are read with it while they are asked for. Nil when the log
  /// has given it up.
  private mutating func record(at position: Position) throws(WorkerStop) -> Record? {
    if let first = batch.records.first?.position, position >= first,
      position.value - first.value < UInt64(batch.records.count)
    {
      // Positions are dense but for what a repair gave up.
      let record = batch.records[Int(position.value - first.value)]
      if record.position == position { return record }
    }
    let isNear = batch.records.last.map {
      position > $0.position && position.value - $0.position.value <= Limits.retryGapMax
    }
    window = isNear == true ? min(window * 2, Limits.readRecordsMax) : max(window / 2, 1)
    do throws(LogError) {
      _ = try lane.log.read(
        from: position, records: window, bytes: window == 1 ? 1 : Limits.readBytesMax, into: batch)
    } catch {
      throw .log(error, handler: lane.title)
    }
    guard let record = batch.records.first, record.position == position else {
      if lane.log.durableEnd > position { return nil }
      throw .halt(
        Diagnostic(
          code: RuntimeCode.logBroken.rawValue,
          "\(lane.title) stopped: the log does not have \(position), which it is to try again",
          details: [.init("help", "moontide events verify · moontide doctor")]))
    }
    return record
  }

  /// The first event is done with: the next one that waits takes its place.
  private mutating func moveOn(_ index: Int) throws(WorkerStop) {
    let (key, topic) = (parked.entries[index].key, parked.entries[index].topic)
    if parked.moveOn(index, nowMicroseconds: lane.surroundings.clock.now.microseconds, due: now) {
      touch(key, topic)
      try write(.released(topic: key.topic, key: key.key, position: parked.entries[index].key.position))
    } else {
      parked.remove(index)
      try write(.unparked(topic: key.topic, key: key.key))
    }
  }

  private mutating func touch(_ key: ParkedKey, _ topic: TopicID) {
    let place = Place(topic: topic, key: key.key)
    if known.insert(place).inserted { touched.append(place) }
  }

  private mutating func failed(_ fault: LuaFault, _ index: Int, _ record: Record) throws(WorkerStop) {
    var key = parked.entries[index].key
    key.attempts += 1
    let plan = FailurePlan.decide(lane.definition, attempts: key.attempts)
    var diagnostic = lane.report.failure(
      fault, record: record, seen: lane.host.record, in: batch, topic: key.topic,
      plan: plan,
      state: lane.report.outcome(
        plan, attempts: key.attempts, key: String(decoding: key.key, as: UTF8.self), position: key.position,
        held: parked.entries[index].heldCount))
    if plan == .park { diagnostic.severity = .warning }
    if plan != .park {
      let letter = lane.report.deadLetter(
        fault, record: record, in: batch, topic: key.topic, attempts: key.attempts)
      try write(.dead(letter))
      dead += 1
    }
    lost += lane.surroundings.clock.monotonic - now
    if plan == .halt { halt = diagnostic } else { reports.append(diagnostic) }
    if plan == .deadAndGoOn { return try moveOn(index) }
    let due = lane.due(afterAttempt: key.attempts)
    key.dueMicroseconds = due.microseconds
    key.status = plan == .park ? .retrying : .dead
    parked.update(index, to: key, due: due.monotonic)
    touch(key, parked.entries[index].topic)
  }

  // MARK: The transaction

  private mutating func open() throws(WorkerStop) -> any EffectTransaction {
    if let transaction { return transaction }
    do throws(StoreError) {
      let begun = try lane.store.begin(folding: false)
      transaction = begun
      lane.host.transaction = begun
      return begun
    } catch { throw lane.stop(error) }
  }

  private mutating func write(_ entry: EffectEntry) throws(WorkerStop) {
    let transaction = try open()
    try store { () throws(StoreError) in try transaction.write(entry) }
  }

  private func store(_ call: () throws(StoreError) -> Void) throws(WorkerStop) {
    do throws(StoreError) { try call() } catch { throw lane.stop(error) }
  }

  private mutating func commit() throws(WorkerStop) {
    for place in touched {
      let part = ByteRange(start: 0, count: place.key.count)
      guard let index = parked.find(place.key, part, topic: place.topic) else { continue }
      try write(.parked(parked.entries[index].key))
    }
    if applied + skipped > 0 { try write(.count(applied: applied, skipped: skipped)) }
    let transaction = try open()
    CrashPoint.reach(.beforeRetryCommit)
    try store { () throws(StoreError) in try transaction.commit() }
    CrashPoint.reach(.afterRetryCommit)
    self.transaction = nil
    lane.host.transaction = nil
    lane.parked = parked
    lane.status.applied += applied
    lane.status.skipped += skipped
    lane.status.emitted += emitted
    lane.status.dead += dead
    let ended = lane.surroundings.clock.monotonic
    if applied + skipped == 0 { lost += ended - now }
    lane.retriesRest = ended + lost * Limits.retryRest
    for report in reports { lane.surroundings.report(report) }
    if let halt { throw .halt(halt) }
  }
}

import MoontideCore
import MoontideLua

/// What the parts of a worker share: one lane's state, store and place. Owned by the worker's thread.
final class HandlerLane {
  let definition: HandlerDefinition
  let catalog: ProjectCatalog
  let log: any EventLog
  let store: any EffectStore
  let surroundings: HandlerSurroundings
  let host: HandlerHost
  let report: FaultReport
  private(set) var program: HandlerProgram
  let selection: LaneSelection
  var subscriptions: SubscriptionTable
  var parked = ParkedKeys()
  /// What people decided about single events.
  private(set) var rulings = Rulings()
  var status: HandlerStatus
  var latency = LatencySample()
  /// Who hears of each event; nil but for a replay that is looked at.
  var trace: (any HandlerTrace)?
  /// While others wait, parked keys are not tried before.
  var retriesRest = Duration.zero
  /// Events whose keys are put on their way again at the start.
  private var calls: Set<Position> = []
  /// Those of them that were: what the log says of them up to there is carried out.
  private(set) var called: (positions: Set<Position>, below: Position) = ([], .start)
  /// What the ledger said at the start.
  let ledger: HandlerLedger
  private var callCount = 0
  private let power: LuaPower
  private var currentTopic: TopicID?
  private var topicBytes: [UInt8] = []
  private var topicSeed = Digest.zero

  init(
    _ definition: HandlerDefinition, lane: Int, catalog: ProjectCatalog, log: any EventLog,
    store: any EffectStore, surroundings: HandlerSurroundings
  ) throws(WorkerStop) {
    var definition = definition
    if definition.kind == .projection { definition.tables = store.tables }
    self.definition = definition
    power = definition.kind == .projection ? .projection : .consumer
    self.catalog = catalog
    self.log = log
    self.store = store
    self.surroundings = surroundings
    host = HandlerHost(definition, catalog: catalog, surroundings: surroundings)
    report = FaultReport(definition: definition, scripts: catalog.scripts, upcasters: catalog.upcasters)
    do throws(LuaFault) {
      program = try HandlerProgram(definition, catalog: catalog, host: host)
    } catch {
      throw .halt(FaultReport.loading(error, path: definition.path, scripts: catalog.scripts))
    }
    subscriptions = program.reading.subscriptions
    do throws(StoreError) {
      ledger = try store.ledger()
    } catch {
      throw .store(error, handler: "\(definition.kind.rawValue) \(definition.name)")
    }
    let decisions: [(decision: Decision, place: Position)]
    do throws(LogError) {
      // A read model follows the decisions that were there when it was begun: later ones rebuild it.
      decisions = try Decision.all(
        of: definition.identityName, from: log, count: definition.kind == .projection ? ledger.decided : nil)
    } catch {
      throw .log(error, handler: "\(definition.kind.rawValue) \(definition.name)")
    }
    for (decision, place) in decisions { rulings.add(decision, at: place) }
    selection = LaneSelection(definition, lane: lane)
    status = HandlerStatus(
      name: definition.name, kind: definition.kind, scriptVersion: definition.scriptVersion, lane: lane,
      position: .start)
    status.isSettled = !ledger.checkpoints.isEmpty
    if lane == 0 {
      status.applied = ledger.applied
      status.skipped = ledger.skipped
      status.dead = ledger.deadLetters
      status.degradedSince = ledger.degradedSince
      status.emitted = ledger.nextOutbox
    }
    try takeOverCheckpoints()
    takeOverParked(lane: lane)
    if definition.kind == .consumer { gatherCalls(decisions) }
  }

  /// Why it must not begin: a read model that stops at what fails has stopped. It is rebuilt when its
  /// script is mended, or when something is decided about the event.
  var standing: Diagnostic? {
    guard definition.kind == .projection, definition.exhausted == .halt, let position = ledger.degradedSince
    else { return nil }
    let id = "d-\(position.value)@\(definition.name)"
    return Diagnostic(
      code: RuntimeCode.halted.rawValue,
      "\(title) stopped at \(position), as exhausted = \"halt\" says, and nothing was decided since",
      at: definition.place,
      details: [
        .init("state", "nothing behind that event is handled; it is the dead letter \(id)"),
        .init("help", "moontide dead show \(id) · mend the script, or moontide dead edit or skip \(id)"),
      ])
  }

  /// Keys whose dead event a person decided about further on in the log than the lane has come: one that
  /// cannot go on until they do would never come there. And where the handler stops at what fails, starting
  /// it again means trying again.
  private func gatherCalls(_ decisions: [(decision: Decision, place: Position)]) {
    let reached = selection.position ?? .start
    for (decision, place) in decisions where place >= reached && decision.action != .settle {
      calls.formUnion(decision.positions)
    }
    if definition.exhausted == .halt { calls.formUnion(parked.entries.map(\.key.position)) }
    called.below = log.durableEnd
  }

  /// Puts the keys on their way that wait for it since the start.
  func wakeKeys() throws(WorkerStop) {
    if calls.isEmpty { return }
    var parked = parked
    var woken: [ParkedKey] = []
    for (index, entry) in parked.entries.enumerated()
    where entry.key.status == .dead && calls.contains(entry.key.position) {
      var key = entry.key
      key.status = .retrying
      key.dueMicroseconds = surroundings.clock.now.microseconds
      parked.update(index, to: key, due: surroundings.clock.monotonic)
      woken.append(key)
    }
    if !woken.isEmpty { try write(woken.map { .parked($0) }) }
    self.parked = parked
    status.dead -= woken.count
    called.positions = Set(woken.map(\.position))
    calls = []
  }

  /// In a transaction of their own.
  private func write(_ entries: [EffectEntry]) throws(WorkerStop) {
    do throws(StoreError) { try store.commit(entries) } catch { throw stop(error) }
  }

  /// `consumer receipts`, as messages name it.
  var title: String { "\(definition.kind.rawValue) \(definition.name)" }

  /// Takes up topics that the log got since the start: they begin where the lane stands.
  func learnTopics() throws(WorkerStop) {
    let topics = log.topics().sorted { $0.id < $1.id }
    selection.learn(topics, checkpoints: [:], start: selection.position ?? .start)
    status.position = selection.position ?? log.durableEnd
  }

  /// Takes up the topics that are there and the checkpoints of the ledger. A beginning that depends on when
  /// it was asked for is written down at once.
  private func takeOverCheckpoints() throws(WorkerStop) {
    let topics = log.topics().sorted { $0.id < $1.id }
    let known = topics.filter { definition.listens(to: $0.name) }.flatMap { topic in
      (0..<topic.partitions).filter { Int($0) % definition.lanes == status.lane }
        .compactMap { ledger.checkpoints[TopicPartition(topic: topic.name, partition: $0)] }
    }
    let start: Position
    do throws(LogError) {
      start = try StartPlan.position(definition, known: known, ledger: ledger, log: log)
    } catch {
      throw .log(error, handler: title)
    }
    selection.learn(topics, checkpoints: ledger.checkpoints, start: start)
    status.position = selection.position ?? log.durableEnd
    if known.isEmpty, start > .start { try writePlace() }
  }

  /// Writes down the place that was reached.
  func writePlace() throws(WorkerStop) {
    guard let position = selection.position else { return }
    status.position = position
    try write([.checkpoint(selection.partitions(at: position), position)])
    status.isSettled = true
  }

  /// Takes up the parked keys of its partitions. The time of day may have jumped: none waits longer
  /// than the policy's longest wait.
  private func takeOverParked(lane: Int) {
    let now = surroundings.clock.now.microseconds
    let partitions = Dictionary(
      log.topics().map { ($0.name, ($0.id, $0.partitions)) }, uniquingKeysWith: { first, _ in first })
    for key in ledger.parked {
      guard let (id, count) = partitions[key.topic] else { continue }
      let partition = Partitioner.partition(key.key, ByteRange(start: 0, count: key.key.count), of: count)
      guard Int(partition) % definition.lanes == lane else { continue }
      let wait = min(max(.zero, .microseconds(key.dueMicroseconds - now)), definition.retry.max)
      parked.add(key, topic: id, due: surroundings.clock.monotonic + wait)
    }
  }

  /// The decision in a record, when it is about dead letters of this consumer; its rulings count from here
  /// on.
  func decision(_ record: Record, in batch: RecordBatch) -> Decision? {
    guard definition.kind == .consumer,
      batch.bytes[record.envelope.key.indices].elementsEqual(definition.identityName.utf8),
      record.position >= selection.position ?? .start
    else { return nil }
    let decision = Decision(record, in: batch)
    rulings.add(decision, at: record.position)
    return decision
  }

  /// Follows decisions that are not in the log: for a rehearsal.
  func foresee(_ decisions: [Decision]) {
    for decision in decisions { rulings.add(decision, at: Position(.max)) }
  }

  /// A result of an effect of this handler as it is handled: see `LaneSelection.placed`. Other records as
  /// they are.
  func placed(_ record: Record, in batch: RecordBatch) -> Record {
    guard record.envelope.kind == .result, definition.takesResults,
      let topic = EffectResult.topic(of: record, in: batch, maker: definition.identityName)
    else { return record }
    return selection.placed(record, with: topic, in: batch)
  }

  /// Which function a record goes to: an event by its type, a result to the one for results.
  func route(_ record: Record, in batch: RecordBatch) -> SubscriptionTable.Route {
    if record.envelope.kind == .event { return subscriptions.route(batch.bytes, record.envelope.type) }
    return SubscriptionTable.Route(
      subscription: definition.takesResults ? definition.subscriptions.count : -1, chain: -1)
  }

  /// Whether an event is of a partition of this lane.
  func owns(_ record: Record) -> Bool { Int(record.partition) % definition.lanes == status.lane }

  /// The event as it was corrected.
  static func corrected(_ record: Record, _ data: [UInt8], in batch: RecordBatch) -> Record {
    precondition(
      batch.bytes.count >= Limits.parserPaddingBytes, "a batch of \(batch.bytes.count) bytes without padding")
    batch.bytes.removeLast(Limits.parserPaddingBytes)
    var record = record
    record.envelope.data = batch.bytes.appendPart(data, ByteRange(start: 0, count: data.count))
    batch.bytes.append(contentsOf: repeatElement(0, count: Limits.parserPaddingBytes))
    return record
  }

  /// Runs the handler for one stored event: upcasters first, then the function, once for each event that they
  /// made for it. False when they left nothing for it.
  func apply(
    _ record: Record, _ route: SubscriptionTable.Route, in batch: RecordBatch
  ) throws(LuaFault) -> Bool {
    if record.topic != currentTopic { turn(to: record.topic) }
    callCount &+= 1
    // The first call is among them, so that a handler with few events has a figure too.
    let isSampled = callCount & (LatencySample.every - 1) == 1
    let began = isSampled ? surroundings.clock.monotonic : .zero
    host.begin(record, in: batch)
    let isApplied: Bool
    if route.chain >= 0 {
      isApplied = try read(record, route, in: batch)
    } else {
      isApplied = true
      try handle(record, route.subscription, in: batch)
    }
    if isSampled { latency.add(surroundings.clock.monotonic - began) }
    return isApplied
  }

  private func read(
    _ record: Record, _ route: SubscriptionTable.Route, in batch: RecordBatch
  ) throws(LuaFault) -> Bool {
    let reading = program.reading
    switch try reading.read(record, chain: route.chain, in: batch, topic: topicBytes, seed: topicSeed) {
    case .itself(let newest):
      guard route.subscription >= 0 else { return false }
      host.see(newest)
      trace?.sees(newest, of: record, in: batch)
      try handle(newest, route.subscription, in: batch)
      return true
    case .others:
      for event in reading.events {
        host.see(event.record)
        trace?.sees(event.record, of: record, in: batch)
        try handle(event.record, event.subscription, in: batch)
      }
      return !reading.events.isEmpty
    }
  }

  private func handle(_ record: Record, _ subscription: Int, in batch: RecordBatch) throws(LuaFault) {
    let program = program
    try program.state.handle(
      program.functions[subscription], power, record: record, in: batch, topic: topicBytes, seed: topicSeed)
  }

  /// Events mostly follow others of their topic, so that what belongs to it is set once.
  private func turn(to topic: TopicID) {
    let known = selection.topics[Int(topic.value)]
    currentTopic = topic
    topicBytes = known.nameBytes
    topicSeed = known.seed
    host.topic = known.name
  }

  /// The name of a record's topic.
  func topic(of record: Record) -> TopicName { selection.topics[Int(record.topic.value)].name }

  /// A state that tripped a budget is thrown away.
  func renewProgramIfSpent() throws(WorkerStop) {
    guard program.state.isSpent else { return }
    do throws(LuaFault) {
      program = try HandlerProgram(definition, catalog: catalog, host: host)
    } catch {
      throw .halt(FaultReport.loading(error, path: definition.path, scripts: catalog.scripts))
    }
  }

  func stop(_ error: StoreError) -> WorkerStop { .store(error, handler: title) }

  /// When a key is due after a failed try, on both clocks.
  func due(afterAttempt attempts: Int) -> (monotonic: Duration, microseconds: Int64) {
    let delay = definition.retry.delay(afterAttempt: attempts, random: surroundings.randomness.next())
    return (
      surroundings.clock.monotonic + delay,
      surroundings.clock.now.microseconds + Int64(delay / .microseconds(1))
    )
  }
}

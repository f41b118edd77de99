public import MoontideCore

/// Brings a handler's outbox into the log, once: the log knows the producer and its sequence, so that a crash
/// between the append and its note here repeats nothing. It may share lane 0's store when the same thread
/// steps both, or have a store of its own.
public final class OutboxRelay: Worker {
  public let board: RelayBoard
  private let definition: HandlerDefinition
  private let log: any EventLog
  private let store: any EffectStore
  private let surroundings: HandlerSurroundings
  /// How many partitions a topic gets when it is new; nil: the default.
  private let partitions: @Sendable (TopicName) -> UInt16?
  private let batch = DraftBatch()
  private var status = RelayStatus()
  private var isOpened = false

  public init(
    _ definition: HandlerDefinition, log: any EventLog, store: any EffectStore,
    surroundings: HandlerSurroundings,
    board: RelayBoard, partitions: @escaping @Sendable (TopicName) -> UInt16?
  ) {
    self.definition = definition
    self.log = log
    self.store = store
    self.surroundings = surroundings
    self.board = board
    self.partitions = partitions
  }

  private var title: String { "\(definition.kind.rawValue) \(definition.name)" }

  public func step() -> StepOutcome {
    if status.halted != nil { return .finished }
    defer { board.publish(status) }
    do throws(WorkerStop) {
      let progressed = try relay()
      status.waiting = nil
      return progressed ? .progressed : .idle(for: Limits.idlePause)
    } catch {
      switch error {
      case .wait(let diagnostic):
        if status.waiting == nil { surroundings.report(diagnostic) }
        status.waiting = diagnostic
        return .idle(for: Limits.fullDiskPause)
      case .halt(let diagnostic):
        status.halted = diagnostic
        surroundings.report(diagnostic)
        return .finished
      }
    }
  }

  private func relay() throws(WorkerStop) -> Bool {
    let events = try pending()
    guard !events.isEmpty else { return false }
    let producer = definition.outboxProducer
    let written = log.sequenceEnd(of: producer)
    // What the log knows by sequence goes in without one: should this be another store than the one that
    // wrote those numbers (a file that was deleted), then its events are told apart by their ids.
    let known = events.prefix { $0.sequence < written ?? 0 }
    let fresh = events.dropFirst(known.count)
    CrashPoint.reach(.beforeRelayAppend)
    if !known.isEmpty { try append(Array(known), progress: nil) }
    if let first = fresh.first, let last = fresh.last {
      let follows = written == nil || written == first.sequence
      try append(Array(fresh), progress: follows ? (producer, first.sequence..<last.sequence + 1) : nil)
    }
    CrashPoint.reach(.afterRelayAppend)
    try logged { () throws(LogError) in try log.flush() }
    CrashPoint.reach(.beforeRelayNote)
    let end = events[events.count - 1].sequence + 1
    try note([.relayed(below: end)])
    CrashPoint.reach(.afterRelayNote)
    status.relayed = end
    return true
  }

  /// The next events of the outbox, about `Limits.readBytesMax` bytes of them.
  private func pending() throws(WorkerStop) -> [OutboxEvent] {
    do throws(StoreError) {
      // Asked before the outbox is: what is below and not in it then was relayed.
      let end = isOpened ? status.relayed : try store.ledger().nextOutbox
      let events = try store.outbox(from: isOpened ? end : 0, limit: Limits.relayRecordsMax)
      if !isOpened { status.relayed = events.first?.sequence ?? end }
      isOpened = true
      var bytes = 0
      let fitting = events.prefix { event in
        bytes += event.data.count + event.meta.count + event.key.count + event.id.count
        return bytes <= Limits.readBytesMax
      }
      return Array(events.prefix(max(1, fitting.count)))
    } catch {
      throw .store(error, handler: title)
    }
  }

  /// Appends what the log takes; what is in conflict there becomes a dead letter first, so that a crash
  /// in between loses none.
  private func append(
    _ events: [OutboxEvent], progress: (producer: ProducerID, sequence: Range<UInt64>)?
  ) throws(WorkerStop) {
    var events = events
    while !events.isEmpty || progress != nil {
      batch.removeAll()
      for event in events { try draft(event) }
      let request = AppendRequest(batch: batch, progress: progress)
      var refused: [AppendOutcome.Conflict] = []
      try logged { () throws(LogError) in
        if case .conflicts(let conflicts) = try log.append(request) { refused = conflicts }
      }
      if refused.isEmpty { return }
      try note(refused.map { .dead(letter(events[$0.index], conflict: $0)) })
      status.conflicts += refused.count
      for conflict in refused { surroundings.report(diagnostic(events[conflict.index], conflict)) }
      let indexes = Set(refused.map(\.index))
      events = events.indices.filter { !indexes.contains($0) }.map { events[$0] }
    }
  }

  private func draft(_ event: OutboxEvent) throws(WorkerStop) {
    var topic: TopicID?
    try logged { () throws(LogError) in
      // A consumer may well send the first command of the log.
      topic = try log.topic(event.topic, partitions: event.topic.isSystem ? 1 : partitions(event.topic)).id
    }
    guard let topic else { preconditionFailure("the log gave no topic \(event.topic)") }
    event.draft(topic: topic, into: batch)
  }

  private func letter(_ event: OutboxEvent, conflict: AppendOutcome.Conflict) -> DeadLetter {
    DeadLetter(
      position: event.cause, topic: event.topic, partition: 0, offset: Offset(0), key: event.key,
      eventID: event.id, eventType: String(decoding: event.type, as: UTF8.self), eventVersion: event.version,
      eventTime: String(decoding: event.time, as: UTF8.self), code: RuntimeCode.outboxConflict.rawValue,
      message: message(event, conflict), file: definition.path, line: definition.place.line, attempts: 1,
      scriptVersion: definition.scriptVersion)
  }

  private func message(_ event: OutboxEvent, _ conflict: AppendOutcome.Conflict) -> String {
    let what = event.topic == .commands ? "command" : "event"
    let made = event.topic == .commands ? "a command sent just before" : "an event emitted just before"
    let holder = conflict.position.map { "the \(what) at \($0)" } ?? made
    return "\(holder) holds the id \(String(decoding: event.id, as: UTF8.self)) with another body"
  }

  private func diagnostic(_ event: OutboxEvent, _ conflict: AppendOutcome.Conflict) -> Diagnostic {
    Diagnostic(
      code: RuntimeCode.outboxConflict.rawValue,
      "\(title) \(event.topic == .commands ? "sent a command" : "emitted an event") in conflict: "
        + message(event, conflict), at: definition.place,
      details: [
        .init("event", "\(String(decoding: event.type, as: UTF8.self)) caused by \(event.cause)"),
        .init("state", "dead letter d-\(event.cause.value); the first stays, the rest of the outbox goes on"),
        .init("help", "moontide dead show d-\(event.cause.value) · moontide explain E0312"),
      ])
  }

  private func note(_ entries: [EffectEntry]) throws(WorkerStop) {
    do throws(StoreError) { try store.commit(entries) } catch { throw .store(error, handler: title) }
  }

  private func logged(_ call: () throws(LogError) -> Void) throws(WorkerStop) {
    do throws(LogError) { try call() } catch { throw .log(error, handler: title) }
  }
}

import MoontideCore
import MoontideLua

/// Decides commands of one decider, one after another: each decision is one conditional append, so that
/// nobody comes between the state that it was made on and the events that it makes. Owned by one thread.
final class Decider {
  /// What became of a command; an outcome is written, and durable with the next flush.
  enum Decided {
    case outcome(CommandOutcome, CommandExplanation)
    case refused(Diagnostic)
  }

  let definition: DeciderDefinition
  private let fold: StreamFold
  private let places: DeciderPlaces
  private let catalog: ProjectCatalog
  private let log: any EventLog
  private let memory: StreamMemory
  private let surroundings: HandlerSurroundings
  private let partitions: @Sendable (TopicName) -> UInt16?
  /// Written since the last flush.
  private var unflushed: [Command.Identity: (command: Command, outcome: CommandOutcome)] = [:]
  private var topics: [TopicName: TopicID] = [:]
  /// What was written without anybody in between, before the last flush and since: all of it is decided.
  private(set) var own: Range<Position>?
  private let commandBatch = RecordBatch()
  private let eventBatch = RecordBatch()
  private let drafts = DraftBatch()

  init(
    _ definition: DeciderDefinition, catalog: ProjectCatalog, log: any EventLog,
    snapshots: any SnapshotStore, surroundings: HandlerSurroundings,
    partitions: @escaping @Sendable (TopicName) -> UInt16?
  ) throws(LuaFault) {
    self.definition = definition
    self.catalog = catalog
    self.log = log
    self.surroundings = surroundings
    self.partitions = partitions
    places = DeciderPlaces(definition, scripts: catalog.scripts)
    fold = try StreamFold(definition, catalog: catalog, log: log, surroundings: surroundings)
    memory = StreamMemory(definition, fold: fold, snapshots: snapshots, report: surroundings.report)
  }

  private var title: String { "decider \(definition.name)" }

  /// Decides a command, or finds the answer that it got before.
  /// - Parameter isLogged: whether it is a record of the log, and so repeats one when it is written.
  func decide(_ command: Command, isLogged: Bool) throws(WorkerStop) -> Decided {
    for _ in 0..<Limits.decisionTriesMax {
      if let known = try earlier(command) { return known }
      do throws(LuaFault) { try fold.renewIfSpent() } catch {
        throw .halt(FaultReport.loading(error, path: definition.path, scripts: catalog.scripts))
      }
      let judgement = try judge(command)
      if let decided = try write(command, judgement, isLogged: isLogged) { return decided }
      // Somebody wrote to the stream, or it was this decision: it is there once it is durable.
      memory.forget(command.key)
      try logged { () throws(LogError) in try log.flush() }
    }
    return .refused(
      Diagnostic(
        code: RuntimeCode.streamBusy.rawValue,
        "\(title): the stream \(String(decoding: command.key, as: UTF8.self)) was written to by others "
          + "\(Limits.decisionTriesMax) times while \(command.type) was decided",
        details: [.init("help", "send it again under the same id")]))
  }

  /// Whether something is written that no flush has made durable.
  var needsFlush: Bool { !unflushed.isEmpty }

  /// How far commands had been looked through when that was last kept.
  func reached() throws(WorkerStop) -> Position {
    var position = Position.start
    try logged { () throws(LogError) in position = try memory.reached() }
    return position
  }

  /// After a flush: what was written is durable now.
  /// - Parameter reached: how far the commands of the log have been looked through.
  func flushed(reached: Position) {
    unflushed.removeAll(keepingCapacity: true)
    if memory.isDue { settle(reached: reached) }
  }

  /// Keeps the snapshots that are due and how far commands have been looked through, both of them durable.
  func settle(reached: Position) { memory.settle(reached: reached) }

  /// After a flush that failed: nothing in memory can be trusted.
  func forget() {
    memory.forgetAll()
    unflushed.removeAll()
    topics.removeAll()
    own = nil
  }

  // MARK: The decision

  private func judge(_ command: Command) throws(WorkerStop) -> Judgement {
    do throws(StreamFault) { return judge(command, on: try memory.state(of: command.key)) } catch {
      switch error {
      case .log(let error): throw .log(error, handler: title)
      case .script(let fault, let position):
        // The answer is written to the stream as it is, though nobody knows its state.
        var version = 0
        try logged { () throws(LogError) in version = try fold.version(of: command.key) }
        var judgement = Judgement(
          on: StreamState(version: version, value: nil, position: nil, snapshotVersion: 0))
        judgement.isFolded = false
        judgement.fail(fault, "on the stream's event at \(position)")
        return judgement
      }
    }
  }

  private func judge(_ command: Command, on stream: StreamState) -> Judgement {
    var judgement = Judgement(on: stream)
    if let expected = command.expectedVersion, expected != stream.version {
      judgement.reject(
        "VERSION_MISMATCH", "the stream is at version \(stream.version), not \(expected)")
      return judgement
    }
    let record = command.record(in: commandBatch, now: surroundings.clock.now)
    do throws(LuaFault) {
      switch try fold.decide(command, record, in: commandBatch, on: stream) {
      case .rejected(let code, let text): judgement.reject(code, text)
      case .accepted(let made):
        for fields in made { try take(fields, record, into: &judgement) }
      }
    } catch {
      judgement.fail(error)
    }
    return judgement
  }

  /// Checks an event that the script made, and lets the state follow it.
  private func take(_ fields: RowBuffer, _ command: Record, into judgement: inout Judgement)
    throws(LuaFault)
  {
    let emission = Emission(
      maker: definition.identityName, catalog: catalog, cause: command, batch: commandBatch,
      topic: definition.topic, ordinal: judgement.events.count, isDecision: true)
    let event: OutboxEvent
    do throws(HostRefusal) {
      event = try emission.event(fields)
      guard event.topic == definition.topic,
        event.key.elementsEqual(commandBatch.bytes[command.envelope.key.indices])
      else {
        throw HostRefusal(
          code: RuntimeCode.emitRefused.rawValue,
          message: "a decision writes to its own stream: topic \(definition.topic), the key of its command")
      }
    } catch {
      throw places.locate(
        LuaFault(kind: .refused(code: error.code), message: error.message), "decide",
        commandBatch.bytes.text(command.envelope.type))
    }
    drafts.removeAll()
    event.draft(topic: TopicID(0), into: drafts)
    eventBatch.removeAll()
    eventBatch.bytes = drafts.bytes + Array(repeating: 0, count: Limits.parserPaddingBytes)
    let record = Record(
      position: .start, offset: Offset(0), topic: TopicID(0), partition: 0, recordedMicroseconds: 0,
      envelope: drafts.drafts[0].envelope)
    try fold.apply(record, in: eventBatch, to: &judgement.after, at: nil)
    judgement.events.append(event)
    let id = fields.cells[EmittedField.id.rawValue].kind
    if id != .absent, id != .null { judgement.named.append(event) }
  }

  // MARK: Writing

  /// Appends a decision under the condition that the stream is as it was; nil when it is not.
  private func write(
    _ command: Command, _ judgement: Judgement, isLogged: Bool
  ) throws(WorkerStop) -> Decided? {
    if let event = try known(in: judgement) {
      let failed = refused(judgement, event, "an event of this decider, or of this decision,", command)
      return try write(command, failed, isLogged: isLogged)
    }
    var outcome = CommandOutcome(judgement.verdict, command, definition, version: judgement.after.version)
    outcome.code = judgement.code
    outcome.text = judgement.text
    outcome.events = judgement.events.map {
      .init(id: String(decoding: $0.id, as: UTF8.self), type: String(decoding: $0.type, as: UTF8.self))
    }
    switch try append(command, judgement, outcome) {
    case .written(let written):
      // All of it is there: what was written before a flush that failed has become durable after all.
      if written.count == 0 { return nil }
      extendOwn(from: written.first, to: written.durableWhen)
      CrashPoint.reach(.afterCommand)
      outcome.position = Position(written.first.value + UInt64(written.count) - 1)
      // An event that repeats one of the topic was dropped: the stream is not what the script thinks.
      if written.repeats == (isLogged ? 1 : 0), judgement.isFolded {
        took(command, judgement, outcome)
      } else {
        memory.forget(command.key)
      }
      unflushed[command.identity] = (command, outcome)
      if let fault = judgement.fault { report(fault, command, outcome) }
      return .outcome(
        outcome,
        CommandExplanation(
          isRepeat: false, before: judgement.stream.value, after: judgement.after.value))
    case .unexpectedVersion: return nil
    case .conflicts(let conflicts): return try conflict(command, judgement, conflicts, isLogged: isLogged)
    case .alreadyWritten: preconditionFailure("a request without a producer was already written")
    case nil:
      var failed = judgement
      failed.fail(
        LuaFault(
          kind: .refused(code: RuntimeCode.emitRefused.rawValue),
          message: "the decision is too large for one append: \(judgement.events.count) events",
          path: definition.path, line: places.place("decide", command.type).line))
      return try write(command, failed, isLogged: isLogged)
    }
  }

  /// Nil for a decision that no append can hold.
  private func append(
    _ command: Command, _ judgement: Judgement, _ outcome: CommandOutcome
  ) throws(WorkerStop) -> AppendOutcome? {
    drafts.removeAll()
    let stream = try topic(definition.topic)
    command.draft(topic: try topic(.commands), into: drafts)
    for event in judgement.events { event.draft(topic: stream, into: drafts) }
    outcome.draft(of: command, topic: try topic(.outcomes), into: drafts)
    let request = AppendRequest(
      batch: drafts, expected: (topic: stream, key: command.key, version: judgement.stream.version))
    do throws(LogError) { return try log.append(request) } catch {
      if case .tooLarge = error, !judgement.events.isEmpty { return nil }
      throw .log(error, handler: title)
    }
  }

  private func extendOwn(from first: Position, to end: Position) {
    guard end > first else { return }
    own = own.flatMap { $0.upperBound == first ? $0.lowerBound..<end : nil } ?? first..<end
  }

  /// The decision is in the log: the stream is as it says.
  private func took(_ command: Command, _ judgement: Judgement, _ outcome: CommandOutcome) {
    var state = judgement.after
    if !judgement.events.isEmpty { state.position = Position(outcome.position.value - 1) }
    memory.keep(state, of: command.key)
  }

  /// An id is taken: that of the command by another command, or that of an event by another event.
  private func conflict(
    _ command: Command, _ judgement: Judgement, _ conflicts: [AppendOutcome.Conflict], isLogged: Bool
  ) throws(WorkerStop) -> Decided? {
    guard let first = conflicts.first, first.index > 0 else {
      var holder: Command?
      try logged { () throws(LogError) in holder = try Command.find(command.identity, in: log) }
      return .refused(taken(command, by: holder))
    }
    // Its outcome is known since a moment ago.
    if first.index > judgement.events.count { return try earlier(command) }
    let holder = first.position.map { "the event at \($0)" } ?? "another event of the decision"
    let failed = refused(judgement, judgement.events[first.index - 1], holder, command)
    return try write(command, failed, isLogged: isLogged)
  }

  /// An event under a known id that the script gave it. The log would take one of the same body for a repeat
  /// and drop it, and the outcome would tell of an event that the stream does not have.
  private func known(in judgement: Judgement) throws(WorkerStop) -> OutboxEvent? {
    guard !judgement.named.isEmpty else { return nil }
    let stream = try topic(definition.topic)
    var found: OutboxEvent?
    try logged { () throws(LogError) in
      // Only what is durable is found.
      try log.flush()
      var ids: Set<[UInt8]> = []
      for event in judgement.named where found == nil {
        let place = LogPlace.identity(topic: stream, source: event.source, id: event.id)
        let isNew = ids.insert(event.id).inserted
        let holder = try log.position(of: place)
        if !isNew || holder != nil { found = event }
      }
    }
    return found
  }

  private func refused(
    _ judgement: Judgement, _ event: OutboxEvent, _ holder: String, _ command: Command
  ) -> Judgement {
    var failed = judgement
    failed.fail(
      LuaFault(
        kind: .refused(code: RuntimeCode.outboxConflict.rawValue),
        message: "\(holder) holds the id \(String(decoding: event.id, as: UTF8.self)) already",
        path: definition.path, line: places.place("decide", command.type).line))
    return failed
  }

  private func report(_ fault: LuaFault, _ command: Command, _ outcome: CommandOutcome) {
    let place = fault.path.flatMap { path in
      fault.line.map { catalog.scripts.place(path: path, line: $0, blaming: fault.blamed) }
    }
    surroundings.report(
      Diagnostic(
        .warning, code: outcome.code, "\(title) failed on \(command.type): \(fault.message)",
        at: place ?? definition.place,
        details: [
          .init(
            "command",
            "id \(String(decoding: command.id, as: UTF8.self)) · \(command.type) · key \(outcome.key)"),
          .init("state", "the command is answered: failed; nothing was written to its stream"),
          .init("help", "mend the script and send the command anew, under another id"),
        ]))
  }

  // MARK: What is known already

  /// The answer that the command got before, also a moment ago.
  private func earlier(_ command: Command) throws(WorkerStop) -> Decided? {
    if let known = unflushed[command.identity] {
      return known.command.isSame(as: command)
        ? repeated(known.outcome) : .refused(taken(command, by: known.command))
    }
    var found: CommandOutcome?
    var original: Command?
    try logged { () throws(LogError) in
      found = try CommandOutcome.find(command.identity, in: log)
      if found != nil { original = try Command.find(command.identity, in: log) }
    }
    guard let found else { return nil }
    if let original, !original.isSame(as: command) { return .refused(taken(command, by: original)) }
    return repeated(found)
  }

  private func repeated(_ outcome: CommandOutcome) -> Decided {
    .outcome(outcome, CommandExplanation(isRepeat: true, before: nil, after: nil))
  }

  private func taken(_ command: Command, by holder: Command?) -> Diagnostic {
    var problem = Diagnostic(
      code: RuntimeCode.commandConflict.rawValue,
      "the id \(String(decoding: command.id, as: UTF8.self)) names another command: an id names one for ever")
    if let holder {
      let key = String(decoding: holder.key, as: UTF8.self)
      let parts = command.differences(from: holder).joined(separator: ", ")
      problem = problem.adding("note", "it was \(holder.type) of \(key) first; this one has another \(parts)")
    }
    return problem.adding("help", "send the new command under an id of its own")
  }

  private func topic(_ name: TopicName) throws(WorkerStop) -> TopicID {
    if let known = topics[name] { return known }
    var id: TopicID?
    try logged { () throws(LogError) in
      id = try log.topic(name, partitions: name.isSystem ? 1 : partitions(name)).id
    }
    guard let id else { preconditionFailure("the log gave no topic \(name)") }
    topics[name] = id
    return id
  }

  private func logged(_ call: () throws(LogError) -> Void) throws(WorkerStop) {
    do throws(LogError) { try call() } catch { throw .log(error, handler: title) }
  }
}

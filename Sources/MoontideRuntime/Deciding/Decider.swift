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
  private let snapshots: any SnapshotStore
  private let surroundings: HandlerSurroundings
  private let partitions: @Sendable (TopicName) -> UInt16?
  private var cache = StreamCache()
  /// Written since the last flush.
  private var unflushed: [Command.Identity: (command: Command, outcome: CommandOutcome)] = [:]
  private var due: [[UInt8]: StreamSnapshot] = [:]
  private var topics: [TopicName: TopicID] = [:]
  /// What was written without anybody in between, before the last flush and since: all of it is decided.
  private(set) var own: Range<Position>?
  private var isKeepingTold = false
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
    self.snapshots = snapshots
    self.surroundings = surroundings
    self.partitions = partitions
    places = DeciderPlaces(definition, scripts: catalog.scripts)
    fold = try StreamFold(definition, catalog: catalog, log: log, surroundings: surroundings)
  }

  private var title: String { "decider \(definition.name)" }

  /// Decides a command, or finds the answer that it got before.
  func decide(_ command: Command) throws(WorkerStop) -> Decided {
    if let known = try earlier(command) { return known }
    for _ in 0..<Limits.decisionTriesMax {
      do throws(LuaFault) { try fold.renewIfSpent() } catch {
        throw .halt(FaultReport.loading(error, path: definition.path, scripts: catalog.scripts))
      }
      var trial = Trial(stream: .new, after: .new)
      do throws(StreamFault) {
        trial.stream = try stream(command.key)
        trial = judge(command, on: trial.stream)
      } catch {
        switch error {
        case .log(let error): throw .log(error, handler: title)
        case .script(let fault, let position):
          trial.fail(fault, "on the stream's event at \(position)")
        }
      }
      if let decided = try write(command, trial) { return decided }
      // Somebody wrote to the stream: what he wrote is there once it is durable.
      cache[command.key] = nil
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

  /// After a flush: what was written is durable now.
  /// - Parameter reached: how far the commands of the log have been looked through.
  func flushed(reached: Position) {
    unflushed.removeAll(keepingCapacity: true)
    if !due.isEmpty { settle(reached: reached) }
  }

  /// Keeps the snapshots that are due and how far commands have been looked through.
  func settle(reached: Position) {
    do throws(StoreError) { try snapshots.keep(Array(due.values), reached: reached) } catch {
      // A cache: without them the next opening folds a little more, and looks through more of the log.
      if !isKeepingTold { surroundings.report(Self.unkept(error, title)) }
      isKeepingTold = true
    }
    due.removeAll(keepingCapacity: true)
  }

  private static func unkept(_ error: StoreError, _ title: String) -> Diagnostic {
    let problem = WorkerStop.store(error, handler: title).diagnostic
    return Diagnostic(
      .warning, code: problem.code, "\(title): its snapshots cannot be kept: \(error)",
      details: [
        .init("state", "nothing is lost; it goes on without, and the next start makes the file anew")
      ])
  }

  /// After a flush that failed: nothing in memory can be trusted.
  func forget() {
    cache.removeAll()
    unflushed.removeAll()
    due.removeAll()
    topics.removeAll()
    own = nil
  }

  // MARK: The stream

  private func stream(_ key: [UInt8]) throws(StreamFault) -> StreamState {
    if let known = cache[key] { return known }
    let state = try loaded(key)
    cache[key] = state
    return state
  }

  private func loaded(_ key: [UInt8]) throws(StreamFault) -> StreamState {
    if let kept = snapshot(key), let state = try fold.resume(from: kept) { return state }
    var state = StreamState.new
    try fold.advance(&state, key: key)
    return state
  }

  /// The stream as it was kept; the log has not been asked yet whether it was so.
  private func snapshot(_ key: [UInt8]) -> StreamSnapshot? {
    guard definition.snapshotEvery != nil else { return nil }
    // A cache that cannot be read is none.
    do throws(StoreError) { return try snapshots.snapshot(topic: definition.topic, key: key) } catch {
      return nil
    }
  }

  // MARK: The decision

  /// A decision that is not written yet.
  private struct Trial {
    var stream: StreamState
    var after: StreamState
    var verdict = CommandOutcome.Verdict.accepted
    var events: [OutboxEvent] = []
    var code = ""
    var text = ""
    var fault: LuaFault?

    mutating func fail(_ fault: LuaFault, _ place: String) {
      verdict = .failed
      events = []
      after = stream
      code = RuntimeCode.text(of: fault.kind)
      text = place.isEmpty ? fault.message : "\(place): \(fault.message)"
      if let path = fault.path, let line = fault.line { text += " (\(path):\(line))" }
      self.fault = fault
    }

    mutating func reject(_ code: String, _ text: String) {
      verdict = .rejected
      self.code = code
      self.text = text
    }
  }

  private func judge(_ command: Command, on stream: StreamState) -> Trial {
    var trial = Trial(stream: stream, after: stream)
    if let expected = command.expectedVersion, expected != stream.version {
      trial.reject(
        "VERSION_MISMATCH", "the stream is at version \(stream.version), not \(expected)")
      return trial
    }
    let record = command.record(in: commandBatch, now: surroundings.clock.now)
    do throws(LuaFault) {
      switch try fold.decide(command, record, in: commandBatch, on: stream) {
      case .rejected(let code, let text): trial.reject(code, text)
      case .accepted(let made):
        for fields in made { try take(fields, record, into: &trial) }
      }
    } catch {
      trial.fail(error, "")
    }
    return trial
  }

  /// Checks an event that the script made, and lets the state follow it.
  private func take(_ fields: RowBuffer, _ command: Record, into trial: inout Trial) throws(LuaFault) {
    let emission = Emission(
      maker: definition.identityName, catalog: catalog, cause: command, batch: commandBatch,
      topic: definition.topic, ordinal: trial.events.count, isDecision: true)
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
    try fold.apply(record, in: eventBatch, to: &trial.after, at: nil)
    trial.events.append(event)
  }

  // MARK: Writing

  /// Appends a decision under the condition that the stream is as it was; nil when it is not.
  private func write(_ command: Command, _ trial: Trial) throws(WorkerStop) -> Decided? {
    var outcome = CommandOutcome(trial.verdict, command, definition, version: trial.after.version)
    outcome.code = trial.code
    outcome.text = trial.text
    outcome.events = trial.events.map {
      .init(id: String(decoding: $0.id, as: UTF8.self), type: String(decoding: $0.type, as: UTF8.self))
    }
    drafts.removeAll()
    let stream = try topic(definition.topic)
    command.draft(topic: try topic(.commands), into: drafts)
    for event in trial.events { event.draft(topic: stream, into: drafts) }
    outcome.draft(of: command, topic: try topic(.outcomes), into: drafts)
    let request = AppendRequest(
      batch: drafts, expected: (topic: stream, key: command.key, version: trial.stream.version))
    var appended: AppendOutcome?
    try logged { () throws(LogError) in appended = try log.append(request) }
    switch appended {
    case .written(let written)?:
      extendOwn(from: written.first, to: written.durableWhen)
      outcome.position = Position(written.first.value + UInt64(max(1, written.count)) - 1)
      // An event that repeats one of the topic was dropped: the stream is not what the script thinks.
      if written.count <= trial.events.count {
        cache[command.key] = nil
        unflushed[command.identity] = (command, outcome)
      } else {
        took(command, trial, outcome)
      }
      if let fault = trial.fault { report(fault, command, outcome) }
      return .outcome(
        outcome,
        CommandExplanation(isRepeat: false, before: trial.stream.value, after: trial.after.value))
    case .unexpectedVersion?: return nil
    case .conflicts(let conflicts)?: return try conflict(command, trial, conflicts)
    case .alreadyWritten?, nil:
      preconditionFailure("a request without a producer was answered with \(String(describing: appended))")
    }
  }

  private func extendOwn(from first: Position, to end: Position) {
    guard end > first else { return }
    own = own.flatMap { $0.upperBound == first ? $0.lowerBound..<end : nil } ?? first..<end
  }

  /// The decision is in the log: the stream is as it says.
  private func took(_ command: Command, _ trial: Trial, _ outcome: CommandOutcome) {
    var state = trial.after
    if !trial.events.isEmpty { state.position = Position(outcome.position.value - 1) }
    if let every = definition.snapshotEvery, let value = state.value, let position = state.position,
      state.version / every > state.snapshotVersion / every
    {
      due[command.key] = StreamSnapshot(
        topic: definition.topic, key: command.key, version: state.version, position: position, state: value)
      state.snapshotVersion = state.version
    }
    cache[command.key] = state
    unflushed[command.identity] = (command, outcome)
  }

  /// An id is taken: that of the command by another command, or that of an event by another event.
  private func conflict(
    _ command: Command, _ trial: Trial, _ conflicts: [AppendOutcome.Conflict]
  ) throws(WorkerStop) -> Decided? {
    guard let first = conflicts.first, first.index > 0 else { return .refused(taken(command)) }
    // Its outcome is known since a moment ago.
    if first.index > trial.events.count { return try earlier(command) }
    let event = trial.events[first.index - 1]
    let holder = first.position.map { "the event at \($0)" } ?? "another event of the decision"
    var failed = trial
    failed.fail(
      LuaFault(
        kind: .refused(code: RuntimeCode.outboxConflict.rawValue),
        message: "\(holder) holds the id \(String(decoding: event.id, as: UTF8.self)) with another body",
        path: definition.path, line: definition.place.line), "")
    return try write(command, failed)
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
      return known.command.isSame(as: command) ? repeated(known.outcome) : .refused(taken(command))
    }
    var found: CommandOutcome?
    var original: Command?
    try logged { () throws(LogError) in
      found = try CommandOutcome.find(command.identity, in: log)
      if found != nil { original = try Command.find(command.identity, in: log) }
    }
    guard let found else { return nil }
    if let original, !original.isSame(as: command) { return .refused(taken(command)) }
    return repeated(found)
  }

  private func repeated(_ outcome: CommandOutcome) -> Decided {
    .outcome(outcome, CommandExplanation(isRepeat: true, before: nil, after: nil))
  }

  private func taken(_ command: Command) -> Diagnostic {
    Diagnostic(
      code: RuntimeCode.commandConflict.rawValue,
      "the id \(String(decoding: command.id, as: UTF8.self)) names another command: an id names one for ever",
      details: [.init("help", "send the new command under an id of its own")])
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

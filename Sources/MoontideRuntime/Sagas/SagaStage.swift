import MoontideCore
import MoontideLua

/// What a record made, before all of it succeeded.
struct SagaStage {
  var changed: [(instance: SagaInstance, sent: [[UInt8]])] = []
  var made: [OutboxEvent] = []
  var effects: [LedgerEffect] = []
  var unknown = 0
}

/// One record of the log.
extension SagaPass {
  /// False when the record does not concern the saga.
  /// - Parameter inHand: the parked key whose first record it is; it waits behind any other.
  func handle(_ stored: Record, inHand: Int? = nil) throws(SagaFailure) -> Bool {
    failing = nil
    failingTimer = nil
    var record = stored
    if lane.rulings.mayRule(record.position), let ruling = lane.rulings[record.position] {
      switch ruling {
      case .skip:
        if record.envelope.kind == .event { counts.skipped += 1 }
        if record.envelope.kind == .timer,
          case .fired(let key, let ordinal)? = TimerRecord(record, in: batch)?.event
        {
          do throws(WorkerStop) { try setAside(key, ordinal) } catch { throw .stop(error) }
        }
        return true
      case .correct(let data): record = HandlerLane.corrected(record, data, in: batch)
      }
    }
    guard let found = try items(record) else { return false }
    if !parked.isEmpty {
      for item in found.items {
        guard let index = parkedIndex(item.key), index != inHand else { continue }
        do throws(WorkerStop) {
          if case .timer(let ordinal) = item.input, try seat(stored, ordinal, at: index) { return true }
          try hold(stored, behind: index)
        } catch { throw .stop(error) }
        return true
      }
    }
    var stage = SagaStage()
    stage.unknown = found.unknown
    for item in found.items {
      failing = item.key
      if case .timer(let ordinal) = item.input { failingTimer = ordinal }
      guard let moment = try moment(of: record, item, stage) else { continue }
      try turn(item, in: batch, &stage, at: moment)
    }
    failing = nil
    do throws(WorkerStop) { try put(stage) } catch { throw .stop(error) }
    counts.unknown += UInt64(stage.unknown)
    if record.envelope.kind == .event {
      if stage.changed.isEmpty { counts.skipped += 1 } else { counts.applied += 1 }
    }
    return true
  }

  private func items(_ record: Record) throws(SagaFailure) -> (items: [SagaItem], unknown: Int)? {
    switch record.envelope.kind {
    case .event: return try routed(record)
    case .outcome:
      let id = Array(batch.bytes[record.envelope.id.indices])
      let key: [UInt8]?
      do throws(SagaStoreFault) { key = try instances.key(ofCommand: id) } catch {
        throw .stop(lane.stop(error))
      }
      guard let key, let verdict = SagaVerdict(record, in: batch) else { return nil }
      return ([SagaItem(key: key, input: .outcome(id: id, verdict), record: record)], 0)
    case .result:
      let key = Array(batch.bytes[record.envelope.key.indices])
      let kind = batch.bytes.text(record.envelope.type)
      return ([SagaItem(key: key, input: .result(kind), record: record)], 0)
    case .timer:
      guard case .fired(let key, let ordinal)? = TimerRecord(record, in: batch)?.event else { return nil }
      return ([SagaItem(key: key, input: .timer(ordinal), record: record)], 0)
    case .decision:
      guard let decision = SagaDecision(record, in: batch) else { return nil }
      let input: SagaInput =
        switch decision.action {
        case .retry: .retry
        case .cancel: .compensate(reason: decision.reason.isEmpty ? "cancelled" : decision.reason)
        }
      return ([SagaItem(key: decision.key, input: input, record: record)], 0)
    default: return nil
    }
  }

  /// When the item happens; nil when there is no instance, or nothing of it waits for that.
  private func moment(
    of record: Record, _ item: SagaItem, _ stage: SagaStage
  ) throws(SagaFailure) -> SagaMoment? {
    if case .event = item.input { return SagaMoment(record.position, record.envelope.timeMicroseconds) }
    let found: SagaInstance?
    do throws(SagaStoreFault) { found = try find(item.key, stage) } catch { throw .stop(lane.stop(error)) }
    guard let instance = found else { return nil }
    switch item.input {
    case .timer(let ordinal):
      guard let timer = instance.timers.first(where: { $0.ordinal == ordinal }) else { return nil }
      // The time of day may lie far from event time, by which all else of the instance goes.
      if timer.clock == .wall, lane.saga.followsEventTime {
        return SagaMoment(record.position, instance.microseconds)
      }
      // As the log has it: another try is due by the time of day, which a replay does not meet again.
      return SagaMoment(record.position, record.envelope.timeMicroseconds)
    case .outcome(let id, _):
      guard let command = instance.pending.first(where: { $0.id == id }) else { return nil }
      let time = lane.saga.followsEventTime ? command.microseconds : record.recordedMicroseconds
      return SagaMoment(record.position, time)
    default:
      return SagaMoment(
        record.position, lane.saga.followsEventTime ? instance.microseconds : record.recordedMicroseconds)
    }
  }

  func turn(
    _ item: SagaItem, in batch: RecordBatch, _ stage: inout SagaStage, at moment: SagaMoment
  ) throws(SagaFailure) {
    let record = item.record
    let isEvent = record.envelope.kind == .event
    let found: SagaInstance?
    do throws(SagaStoreFault) { found = try find(item.key, stage) } catch { throw .stop(lane.stop(error)) }
    let code = found.map { lane.code(of: $0) } ?? lane.code
    failingCode = code
    let known = isEvent ? lane.selection.topics[Int(record.topic.value)] : nil
    let topic = known?.nameBytes ?? Array(TopicName.timers.text.utf8)
    let seed = known?.seed ?? Digest.zero.adding(lane.saga.identityName)
    let occasion = LuaOccasion(
      record, in: batch, topic: topic, seed: seed, microseconds: moment.microseconds)
    var input = item.input
    guard found != nil || item.begins else {
      stage.unknown += 1
      return
    }
    if found != nil, item.begins, item.reaction == nil, case .event(let type) = input {
      input = .startAgain(type: type)
    }
    let meta = record.envelope.meta
    let id = Array(batch.bytes[record.envelope.id.indices])
    let trace = found?.trace ?? (isEvent ? SagaRouter.field("correlationid", batch.bytes, meta) ?? id : id)
    let isResult = record.envelope.kind == .result
    let eventDepth =
      isEvent || isResult
      ? SagaRouter.field("causationdepth", batch.bytes, meta)
        .flatMap { Int(String(decoding: $0, as: UTF8.self)) } ?? 0 : nil
    let depth = found?.depth ?? eventDepth ?? 0
    code.host.begin(
      record, in: batch, topic: known?.name ?? .events, key: item.key,
      time: EventTime(microseconds: moment.microseconds), trace: trace,
      // What `on` sends may lead to events for `on` without an end: its chain is that of its events; and so
      // may effects that follow from results of effects.
      depth: code.saga.plan.steps.isEmpty || isResult || item.reaction != nil
        ? max(depth, eventDepth ?? 0) : depth,
      ordinal: stage.made.count, effects: stage.effects.count)
    var instance: SagaInstance
    if let found {
      instance = found
    } else {
      input = .start
      do throws(LuaFault) {
        let state = try code.program.state.beginSaga(code.program.initial, occasion)
        instance = SagaInstance(
          key: item.key, trace: trace, depth: depth, state: state, plan: code.saga.plan, at: moment)
        instance.version = code.version
      } catch { throw .script(error) }
    }
    try count(input, of: &instance, record, at: moment)
    instance = try self.turn(code, occasion, moment).run(input, on: instance, reaction: item.reaction)
    let made = code.host.made
    let ids = made.filter { $0.topic == .commands }.map(\.id)
    try check(ids, stage)
    stage.changed.append((instance, ids))
    stage.made += made
    stage.effects += code.host.effects
  }

  /// What takes one input to an instance by a script.
  func turn(_ code: SagaCode, _ occasion: LuaOccasion, _ moment: SagaMoment) -> SagaTurn {
    SagaTurn(
      definition: code.saga, program: code.program, host: code.host, occasion: occasion, moment: moment,
      wall: lane.surroundings.clock.now.microseconds, random: lane.surroundings.randomness.next(),
      result: { [self] (position, step) throws(SagaFailure) in try result(position, step, code) })
  }

  /// A timer that sets itself anew behind its own due time catches up with the time that went by, and may
  /// never do so.
  private func count(
    _ input: SagaInput, of instance: inout SagaInstance, _ record: Record, at moment: SagaMoment
  ) throws(SagaFailure) {
    guard case .timer = input else { return instance.firings = 0 }
    let now = lane.saga.followsEventTime ? eventTime : max(eventTime, record.recordedMicroseconds)
    let late = now.subtractingReportingOverflow(moment.microseconds)
    guard !late.overflow, late.partialValue > Int64(Limits.sagaLateMax / .microseconds(1)) else {
      return instance.firings = 0
    }
    if isAsked { instance.firings = 0 }
    instance.firings += 1
    guard instance.firings > Limits.sagaFiringsInRowMax else { return }
    throw .script(
      LuaFault(
        kind: .runtime,
        message:
          "its timers fired \(Limits.sagaFiringsInRowMax) times in a row to catch up with the time that went "
          + "by: a delay is too short for that, or a timer has to stop",
        path: lane.definition.path, line: lane.definition.place.line))
  }

  /// No command of the saga has the id of another one.
  private func check(_ ids: [[UInt8]], _ stage: SagaStage) throws(SagaFailure) {
    for id in ids {
      var isKnown = stage.changed.contains { $0.sent.contains(id) }
      if !isKnown {
        do throws(SagaStoreFault) { isKnown = try instances.key(ofCommand: id) != nil } catch {
          throw .stop(lane.stop(error))
        }
      }
      guard isKnown else { continue }
      let refusal = SagaHost.sentTwice(id)
      throw .script(
        LuaFault(
          kind: .refused(code: refusal.code), message: refusal.message, path: lane.definition.path,
          line: lane.definition.place.line))
    }
  }

  /// The event, or the outcome, that said that a step was done, as scripts see it today.
  private func result(
    _ position: Position, _ step: SagaStep, _ code: SagaCode
  ) throws(SagaFailure) -> LuaOccasion {
    let batch = RecordBatch()
    do throws(LogError) { _ = try lane.log.read(from: position, records: 1, bytes: 1, into: batch) } catch {
      throw .stop(.log(error, handler: lane.title))
    }
    guard let record = batch.records.first, record.position == position else {
      throw .script(
        LuaFault(kind: .runtime, message: "the log no longer has \(position), which said that it was done"))
    }
    let topic = lane.selection.topics[Int(record.topic.value)]
    var seen = record
    if record.envelope.kind == .event {
      do throws(LuaFault) {
        let events = try code.program.reading.see(
          record, in: batch, topic: topic.nameBytes, seed: topic.seed)
        let fitting = events.first {
          step.succeedsOn.contains(batch.bytes.text($0.record.envelope.type))
        }
        seen = fitting?.record ?? record
      } catch { throw .script(error) }
    }
    return LuaOccasion(seen, in: batch, topic: topic.nameBytes, seed: topic.seed)
  }

  /// The instance as the record has made it so far.
  private func find(_ key: [UInt8], _ stage: SagaStage) throws(SagaStoreFault) -> SagaInstance? {
    if let known = stage.changed.last(where: { $0.instance.key == key }) { return known.instance }
    return try instances.find(key)
  }

  func put(_ stage: SagaStage) throws(WorkerStop) {
    for (instance, sent) in stage.changed { instances.put(instance, sent: sent) }
    for event in stage.made { try write(.emit(event)) }
    for effect in stage.effects { try write(.effect(.recorded(effect))) }
    counts.emitted += UInt64(stage.made.count)
  }
}

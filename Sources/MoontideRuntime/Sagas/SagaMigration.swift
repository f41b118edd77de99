import MoontideCore
import MoontideLua

/// Instances that do not fit the script's steps are brought to them by its `migrate`, before anything else
/// happens: some in one transaction with what they send, so that none is brought twice.
extension SagaPass {
  /// The next ones.
  func migrate() throws(WorkerStop) {
    let keys = lane.unfit.suffix(Limits.sagaMigrationsPerCommit).reversed()
    do throws(WorkerStop) {
      for key in keys where halt == nil {
        do throws(SagaFailure) {
          try migrate(key)
          do throws(WorkerStop) { try letGo(key) } catch { throw .stop(error) }
        } catch {
          switch error {
          case .stop(let stop): throw stop
          case .script(let fault):
            try lane.renewProgramIfSpent()
            try parkMigration(fault, key)
          }
        }
      }
      try commit(at: nil)
    } catch {
      try rollback()
      throw error
    }
    lane.unfit.removeLast(keys.count)
    if let halt { throw .halt(halt) }
  }

  /// Brings one instance to the script's steps, unless it fits them.
  func migrate(_ key: [UInt8]) throws(SagaFailure) {
    let found: SagaRow?
    do throws(StoreError) { found = try lane.store.saga(key) } catch { throw .stop(lane.stop(error)) }
    guard let row = found, !row.hasEnded, lane.old[row.scriptVersion] == nil,
      lane.coding.instance(row) == nil
    else { return }
    guard let function = lane.program.migrate, let stored = SagaCoding.steps(row) else {
      throw .stop(.halt(lane.misfit(row)))
    }
    let move = SagaMove(row, stored)
    let now = lane.surroundings.clock.now.microseconds
    let time = lane.saga.followsEventTime ? max(row.changedMicroseconds, lane.eventTime) : now
    let moment = SagaMoment(lane.status.position, time)
    guard let before = move.instance(move.steps(lane.saga.plan, to: .end) ?? [], lane.coding) else {
      throw .stop(.halt(lane.misfit(row)))
    }
    let event = TimerRecord.migration(
      row, number: before.migrations, step: move.step, to: lane.code.version, of: lane.saga.identityName,
      at: moment)
    let (record, batch) = Self.record(of: event, at: moment.position)
    let occasion = LuaOccasion(
      record, in: batch, topic: Array(TopicName.timers.text.utf8),
      seed: Digest.zero.adding(lane.saga.identityName), microseconds: moment.microseconds)
    lane.host.begin(
      record, in: batch, topic: .events, key: key, time: EventTime(microseconds: moment.microseconds),
      trace: row.trace, depth: before.depth, ordinal: 0)
    var state = row.state
    var instance: SagaInstance
    do throws(LuaFault) {
      let target = try lane.program.state.migrate(
        function, &state, step: move.step, status: row.status, occasion)
      instance = try Self.moved(move, target, lane)
    } catch {
      var fault = error
      let stood = move.step.isEmpty ? row.status : "step \"\(move.step)\""
      fault.message =
        "migrate of instance \(String(decoding: key, as: UTF8.self)), \(stood): \(fault.message)"
      throw .script(fault)
    }
    instance.state = state
    let turn = turn(lane.code, occasion, moment)
    instance = try turn.run(.migrated, on: instance)
    instance.notes.append(Self.note(row, from: move.step, instance, at: moment))
    if instance.notes.count > Limits.sagaNotesMax { instance.notes.removeFirst() }
    var stage = SagaStage()
    let made = lane.host.made
    stage.changed.append((instance, made.filter { $0.topic == .commands }.map(\.id)))
    stage.made = made + [event]
    do throws(WorkerStop) { try put(stage) } catch { throw .stop(error) }
  }

  /// An instance that awaits the firing of a timer which the script no longer has waits for nothing.
  private func letGo(_ key: [UInt8]) throws(WorkerStop) {
    guard let index = parkedIndex(key), parked.entries[index].key.status == .awaiting else { return }
    let found: SagaInstance?
    do throws(SagaStoreFault) { found = try instances.find(key) } catch { throw lane.stop(error) }
    let isAwaited = found?.timers.contains { timer in
      if case .waits = timer.announcement { return true }
      return false
    }
    if isAwaited != true { try moveOn(index) }
  }

  private static func moved(
    _ move: SagaMove, _ target: LuaSagaTarget, _ lane: SagaLane
  ) throws(LuaFault) -> SagaInstance {
    let names = lane.saga.plan.steps.map { "\"\($0.name)\"" }.joined(separator: ", ")
    guard let steps = move.steps(lane.saga.plan, to: target),
      let instance = move.instance(steps, lane.coding)
    else {
      let what =
        if case .step(let name) = target { "there is no step \"\(name)\"" } else {
          "the step on which it stands is gone, so migrate returns the one to go on with"
        }
      throw LuaFault(
        kind: .runtime, message: "\(what); the steps are \(names)", path: lane.definition.path,
        line: lane.saga.stepsPlace.line)
    }
    return instance
  }

  private static func note(
    _ row: SagaRow, from step: String, _ instance: SagaInstance, at moment: SagaMoment
  ) -> SagaInstance.Note {
    let now = instance.steps.filter { [.waiting, .compensating, .stuck].contains($0.phase) }
      .map(\.name).joined(separator: ", ")
    let text =
      "from script \(row.scriptVersion), \(step.isEmpty ? row.status : step) → "
      + (now.isEmpty ? instance.status.rawValue : now)
    return SagaInstance.Note(kind: .migrated, text: text, position: moment.position)
  }

  /// A migration that failed for the first time: its instance waits, by a place of its own, under the event
  /// that began it. It cannot be gone on without.
  private func parkMigration(_ fault: LuaFault, _ key: [UInt8]) throws(WorkerStop) {
    let found: SagaRow?
    do throws(StoreError) { found = try lane.store.saga(key) } catch { throw lane.stop(error) }
    guard let row = found else { return }
    do throws(LogError) { _ = try lane.log.read(from: row.began, records: 1, bytes: 1, into: batch) } catch {
      throw .log(error, handler: lane.title)
    }
    // Without the event there is no dead letter to write; and what is parked already has no second place.
    guard let record = batch.records.first, record.position == row.began, parkedIndex(key) == nil else {
      throw .halt(lane.misfit(row).adding("note", fault.message))
    }
    failing = key
    try park(fault, record, at: .migrations)
  }
}

extension SagaLane {
  /// An instance that neither the script nor an older one can go on with.
  func misfit(_ row: SagaRow) -> Diagnostic {
    var census = SagaCensus(saga)
    census.add(row)
    return census.refusal(kept: { _ in false })
      ?? Diagnostic(
        code: RuntimeCode.sagaMisfit.rawValue,
        "\(title): instance \(String(decoding: row.key, as: UTF8.self)) is not readable",
        at: definition.place,
        details: [.init("help", RuntimeCode.sagaMisfit.explanation)])
  }
}

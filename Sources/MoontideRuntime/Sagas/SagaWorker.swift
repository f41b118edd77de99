public import MoontideCore

/// Drives a saga: reads events, outcomes of what it sent, firings and decisions in order of position, brings
/// each to its instance, fires timers, tries parked instances again. Create it on the thread that steps it,
/// with a stack of 2 MiB or more; it owns a Lua state and the store.
///
/// Whatever a step meets, the store is rolled back and the place is kept.
public final class SagaWorker: Worker {
  public let board: StatusBoard
  private let lane: SagaLane
  private let batch = RecordBatch()
  private let retryBatch = RecordBatch()
  private var isHalted = false
  private var settledAt: Duration
  /// The time of day when it counted last.
  private var seen = Int64.min
  /// Whether it has gone back since, or may have while nothing ran.
  private var mayHaveGoneBack = true

  /// - Parameters:
  ///   - store: over the saga's file, used by nobody else on another thread.
  ///   - board: made with the same definition.
  /// - Throws: what a person must mend before the saga can run.
  public init(
    _ definition: SagaDefinition, catalog: ProjectCatalog, log: any EventLog, store: any SagaStore,
    surroundings: HandlerSurroundings, board: StatusBoard
  ) throws(Diagnostic) {
    self.board = board
    settledAt = surroundings.clock.monotonic
    do throws(WorkerStop) {
      lane = try SagaLane(
        definition, catalog: catalog, log: log, store: store, surroundings: surroundings)
      try publish()
    } catch {
      throw error.diagnostic
    }
  }

  public func step() -> StepOutcome {
    if isHalted { return .finished }
    do throws(WorkerStop) {
      // A state may have been left unfit by a step that ended in a full disk.
      try lane.renewProgramIfSpent()
      if !lane.unfit.isEmpty {
        try SagaPass(lane, retryBatch).migrate()
        try publish()
        return .progressed
      }
      var retried = false
      if !lane.parked.isEmpty { retried = try SagaPass(lane, retryBatch).retry() }
      let advanced = try advance()
      // Before its place is shown: who waits for its end must not take it for done.
      let announced = advanced ? false : try announce()
      lane.status.waiting = nil
      try publish()
      return retried || advanced || announced ? .progressed : .idle(for: try pause())
    } catch {
      return stopped(error)
    }
  }

  /// Writes the place down that was reached while nothing happened. Call it when the worker is idle and is to
  /// end.
  public func settle() {
    if isHalted { return }
    do throws(WorkerStop) {
      lane.learnTopics()
      try lane.writePlace()
      try publish()
    } catch { _ = stopped(error) }
  }

  /// Carries out decisions as if they stood at the end of the log, and tries what they put on its way again,
  /// nothing else. For a copy of a saga's file.
  public func rehearse(_ decisions: [Decision]) throws(Diagnostic) {
    do throws(WorkerStop) {
      while !lane.unfit.isEmpty { try SagaPass(lane, retryBatch).migrate() }
      for decision in decisions {
        lane.rulings.add(decision, at: Position(.max))
        try SagaPass(lane, retryBatch).rehearse(decision)
      }
      while try SagaPass(lane, retryBatch).retry() {}
      try publish()
    } catch { throw error.diagnostic }
  }

  /// Handles the next batch; false when nothing is there.
  private func advance() throws(WorkerStop) -> Bool {
    let end = lane.log.durableEnd
    guard let position = lane.selection.position, position < end else {
      if lane.selection.position == nil {
        lane.learnTopics()
        if let learned = lane.selection.position, learned < end { return true }
      }
      try settleInTime()
      return false
    }
    let size = BatchSizer(lag: end.value - position.value, fixed: lane.surroundings.batchRecords)
    let next: Position
    do throws(LogError) {
      next = try lane.log.read(from: position, records: size.records, bytes: size.bytes, into: batch)
    } catch {
      throw .log(error, handler: lane.title)
    }
    guard next > position else { return false }
    // A pass that only fired timers has moved on too.
    _ = try SagaPass(lane, batch).run(upTo: next)
    lane.status.position = lane.selection.position ?? next
    if lane.status.isSettled { settledAt = lane.surroundings.clock.monotonic }
    return true
  }

  /// Once it has caught up the time of day counts too.
  private func announce() throws(WorkerStop) -> Bool {
    if let position = lane.selection.position, position < lane.log.durableEnd { return false }
    let now = lane.surroundings.clock.now.microseconds
    if now < seen { mayHaveGoneBack = true }
    seen = now
    if try SagaPass(lane, retryBatch).announce(at: now, hasGoneBack: mayHaveGoneBack) { return true }
    mayHaveGoneBack = false
    return false
  }

  /// How long nothing is to be done that the log does not bring.
  private func pause() throws(WorkerStop) -> Duration {
    let clock = lane.surroundings.clock
    var pause = min(Limits.idlePause, lane.parked.wait(from: clock.monotonic) ?? Limits.idlePause)
    var due: [Int64] = []
    do throws(StoreError) {
      if let retry = try lane.store.nextTimer(.wall) { due.append(retry) }
      if !lane.saga.followsEventTime, let timer = try lane.store.nextTimer(.event) { due.append(timer) }
    } catch { throw lane.stop(error) }
    // What is due already is on its way through the log.
    let now = clock.now.microseconds
    if let next = due.filter({ $0 > now }).min() {
      pause = min(pause, .microseconds(min(next.subtractingReportingOverflow(now).partialValue, 1_000_000)))
    }
    return pause
  }

  private func settleInTime() throws(WorkerStop) {
    let now = lane.surroundings.clock.monotonic
    guard !lane.status.isSettled, now - settledAt >= Limits.settleInterval else { return }
    lane.learnTopics()
    try lane.writePlace()
    settledAt = now
  }

  private func publish() throws(WorkerStop) {
    // Another try of a compensation, and a migration, is waited for like that of a parked instance.
    var retries = 0
    do throws(StoreError) {
      retries = try lane.store.nextTimer(.wall) == nil ? 0 : 1
      // So are timers that the time of day has reached, once it counts.
      if !lane.saga.followsEventTime, lane.status.position >= lane.log.durableEnd,
        let due = try lane.store.nextTimer(.event), due <= lane.surroundings.clock.now.microseconds
      {
        retries += 1
      }
    } catch { throw lane.stop(error) }
    lane.status.held = lane.parked.held
    lane.status.retrying = lane.parked.retrying + lane.parked.awaiting + retries + lane.unfit.count
    lane.status.parkedDead = lane.parked.entries.count - lane.parked.retrying - lane.parked.awaiting
    board.publish(lane.status)
  }

  private func stopped(_ stop: WorkerStop) -> StepOutcome {
    switch stop {
    case .wait(let diagnostic):
      if lane.status.waiting == nil { lane.surroundings.report(diagnostic) }
      lane.status.waiting = diagnostic
      board.publish(lane.status)
      return .idle(for: Limits.fullDiskPause)
    case .halt(let diagnostic):
      isHalted = true
      lane.status.halted = diagnostic
      lane.status.position = lane.selection.position ?? lane.status.position
      // Shown on the board before it is told.
      board.publish(lane.status)
      lane.surroundings.report(diagnostic)
      return .finished
    }
  }
}

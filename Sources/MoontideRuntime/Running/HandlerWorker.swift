public import MoontideCore

/// Drives one lane of a handler: reads from its checkpoint, runs the script, commits, tries parked keys
/// again. Create it on the thread that steps it, with a stack of 2 MiB or more; it owns a Lua state and the
/// store.
///
/// Whatever a step meets, the store is rolled back and the place is kept; a step takes little more than
/// `Limits.batchTimeMax` and one event's budget.
public final class HandlerWorker: Worker {
  /// Shows its status to other threads.
  public let board: StatusBoard
  private let lane: HandlerLane
  private let batch = RecordBatch()
  private let retryBatch = RecordBatch()
  private var isHalted = false
  /// Why it does not begin: it stopped at an event of which nothing is decided.
  private var standing: Diagnostic?
  /// What the next batch is prepared for, and how many batches long.
  private var care: Care
  private var careLeft = 0
  private var settledAt: Duration
  private var rateSince: Duration
  private var rateApplied: UInt64

  /// - Parameters:
  ///   - lane: 0 to `definition.lanes - 1`. Open lane 0 before any lane runs: it carries the counts.
  ///   - store: over the handler's file, used by nobody else but its relay on the same thread.
  ///   - board: made with the same definition and lane.
  /// - Throws: what a person must mend before the handler can run.
  public init(
    _ definition: HandlerDefinition, lane: Int = 0, catalog: ProjectCatalog, log: any EventLog,
    store: any EffectStore, surroundings: HandlerSurroundings, board: StatusBoard
  ) throws(Diagnostic) {
    precondition((0..<definition.lanes).contains(lane), "lane \(lane) of \(definition.lanes)")
    self.board = board
    care = definition.kind == .consumer ? .marked : .none
    settledAt = surroundings.clock.monotonic
    rateSince = settledAt
    do throws(WorkerStop) {
      self.lane = try HandlerLane(
        definition, lane: lane, catalog: catalog, log: log, store: store, surroundings: surroundings)
    } catch {
      switch error {
      case .wait(let diagnostic), .halt(let diagnostic): throw diagnostic
      }
    }
    rateApplied = self.lane.status.applied
    standing = self.lane.standing
    publish()
  }

  /// The next position that it reads; wait for the log to get past it before the next step.
  public var position: Position { lane.status.position }

  public func step() -> StepOutcome {
    if isHalted { return .finished }
    do throws(WorkerStop) {
      if let standing { throw .halt(standing) }
      try lane.wakeKeys()
      // A state may have been left unfit by a step that ended in a full disk.
      try lane.renewProgramIfSpent()
      let retried = try retry()
      let advanced = try advance()
      lane.status.waiting = nil
      publish()
      if retried || advanced { return .progressed }
      let now = lane.surroundings.clock.monotonic
      return .idle(for: min(Limits.idlePause, lane.parked.wait(from: now) ?? Limits.idlePause))
    } catch {
      return stopped(error)
    }
  }

  /// Writes the place down that was reached while nothing matched. Call it when the worker is idle and is to
  /// end; false when it could not, and the status says why.
  @discardableResult
  public func settle() -> Bool {
    if isHalted { return false }
    do throws(WorkerStop) {
      try lane.learnTopics()
      try writePlace()
      publish()
      return true
    } catch {
      _ = stopped(error)
      return false
    }
  }

  /// From the next step on somebody hears of each event that it handles.
  public func follow(_ trace: any HandlerTrace) { lane.trace = trace }

  /// While a script writes a row: the line that does. Relative to the project, from 1.
  public var writingLine: (path: String, line: Int)? { lane.program.state.callingLine }

  /// Follows decisions as if the log had them, before the first step: what would a read model be like?
  public func foresee(_ decisions: [Decision]) { lane.foresee(decisions) }

  /// Carries out decisions as if they stood at the end of the log, and tries what they put on its way again,
  /// nothing else. For a copy of a consumer's file: it goes on without them when it is opened again.
  public func rehearse(_ decisions: [Decision]) throws(Diagnostic) {
    lane.foresee(decisions)
    do throws(WorkerStop) {
      for decision in decisions { try rehearse(decision) }
      while try retry() {}
    } catch {
      switch error {
      case .wait(let diagnostic), .halt(let diagnostic): throw diagnostic
      }
    }
    publish()
  }

  private func rehearse(_ decision: Decision) throws(WorkerStop) {
    var run = DecisionRun(decision, at: nil, lane: lane, parked: lane.parked)
    try run.run()
    do throws(StoreError) {
      let transaction = try lane.store.begin(folding: false)
      for entry in run.entries { try transaction.write(entry) }
      try transaction.commit()
    } catch {
      throw lane.stop(error)
    }
    lane.parked = run.parked
  }

  private func stopped(_ stop: WorkerStop) -> StepOutcome {
    defer { publish() }
    switch stop {
    case .wait(let diagnostic):
      if lane.status.waiting == nil { lane.surroundings.report(diagnostic) }
      lane.status.waiting = diagnostic
      return .idle(for: Limits.fullDiskPause)
    case .halt(let diagnostic):
      isHalted = true
      lane.status.halted = diagnostic
      lane.status.position = lane.selection.position ?? lane.status.position
      // Shown on the board before it is told.
      publish()
      lane.surroundings.report(diagnostic)
      return .finished
    }
  }

  /// Tries the parked keys that are due; true when there was one. While there are other events to handle,
  /// tries that fail have a small part of the time.
  private func retry() throws(WorkerStop) -> Bool {
    if lane.parked.isEmpty { return false }
    let isBehind = lane.selection.position.map { $0 < lane.log.durableEnd } ?? false
    if isBehind, lane.surroundings.clock.monotonic < lane.retriesRest { return false }
    var run = RetryRun(lane, retryBatch)
    return try run.run()
  }

  /// Handles the next batch; false when nothing is there.
  private func advance() throws(WorkerStop) -> Bool {
    let end = lane.log.durableEnd
    guard let position = lane.selection.position, position < end else {
      if lane.selection.position == nil {
        try lane.learnTopics()
        // The first topic may have come with events in it: they do not wait for the next bell.
        if let learned = lane.selection.position, learned < end { return true }
      }
      try settleInTime()
      return false
    }
    let size = BatchSizer(lag: end.value - position.value, fixed: lane.surroundings.batchRecords)
    let next: Position
    do throws(LogError) {
      next = try lane.log.read(
        from: position, records: size.records, bytes: size.bytes, into: batch)
    } catch {
      throw .log(error, handler: lane.title)
    }
    guard next > position else { return false }
    try run(upTo: next)
    lane.status.position = lane.selection.position ?? next
    if lane.status.isSettled { settledAt = lane.surroundings.clock.monotonic }
    return true
  }

  private func run(upTo end: Position) throws(WorkerStop) {
    var end = end
    while true {
      do throws(BatchRun.Failure) {
        let hasFailed = try BatchRun(lane, batch, end: end, care: care).run()
        return settleCare(hasFailed)
      } catch {
        switch error {
        case .stop(let stop): throw stop
        case .before(let position):
          // An event that loses its transaction is first in it in the end: each time fewer come before it.
          precondition(position < end, "a careful run up to \(end) asks for another up to \(position)")
          end = position
        case .again:
          precondition(care != .plain, "a batch run with all care asks for more")
          care = care == .none ? .marked : .plain
        }
        try lane.renewProgramIfSpent()
        careLeft = Limits.carefulBatches
      }
    }
  }

  /// Where events fail others are likely to: some batches more are run with the same care.
  private func settleCare(_ hasFailed: Bool) {
    if lane.definition.kind == .consumer { return }
    careLeft = hasFailed ? Limits.carefulBatches : max(0, careLeft - 1)
    if careLeft == 0 { care = .none }
  }

  /// A place that nothing matched at is written now and then, not once per poll.
  private func settleInTime() throws(WorkerStop) {
    let now = lane.surroundings.clock.monotonic
    guard !lane.status.isSettled, now - settledAt >= Limits.settleInterval else { return }
    try lane.learnTopics()
    try writePlace()
  }

  private func writePlace() throws(WorkerStop) {
    try lane.writePlace()
    settledAt = lane.surroundings.clock.monotonic
  }

  private func publish() {
    let now = lane.surroundings.clock.monotonic
    let elapsed = (now - rateSince) / .seconds(1)
    if elapsed >= 0.5 {
      let rate = Double(lane.status.applied - rateApplied) / elapsed
      lane.status.ratePerSecond =
        lane.status.ratePerSecond == 0 ? rate : (lane.status.ratePerSecond + rate) / 2
      rateSince = now
      rateApplied = lane.status.applied
    }
    lane.status.held = lane.parked.held
    lane.status.retrying = lane.parked.retrying
    lane.status.parkedDead = lane.parked.entries.count - lane.status.retrying
    lane.status.handlerTimeP99 = lane.latency.p99
    board.publish(lane.status)
  }
}

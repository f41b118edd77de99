public import MoontideCore

/// Has the effects of one handler performed, out of its ledger: in order for each key, side by side across
/// keys, again by the handler's policy, and writes down what came of each.
///
/// The result of an effect goes to the log first, under the effect's key, then the ledger follows: so a crash
/// between the two, and a ledger that was lost, find that the effect is done. Only a crash between a try and
/// its result has it performed again, under the same key.
public final class EffectRelay: Worker {
  public let board: EffectBoard
  private let definition: HandlerDefinition
  private let store: any EffectLedger
  private let performer: any EffectPerformer
  private let circuits: CircuitBoard
  private let surroundings: HandlerSurroundings
  /// How long an open circuit may hold an effect back.
  private let patience: Duration
  private let inbox: EffectInbox
  private let notes: EffectNotes
  private var queue = EffectQueue()
  private var inFlight: [UInt64: Flight] = [:]
  /// Effects of the ledger below that number are in the queue, or ended.
  private var loaded: UInt64 = 0
  private var status = EffectRelayStatus()

  /// An effect that is being performed.
  private struct Flight {
    var effect: LedgerEffect
    var place: EffectQueue.Place
  }

  /// - Parameters:
  ///   - store: over the handler's file, used on the thread that steps this alone.
  ///   - patience: see `Limits.circuitPatience`.
  ///   - wake: has `step` called soon; from any thread.
  public init(
    _ definition: HandlerDefinition, log: any EventLog, store: any EffectLedger,
    performer: any EffectPerformer, circuits: CircuitBoard, surroundings: HandlerSurroundings,
    board: EffectBoard, patience: Duration = Limits.circuitPatience, wake: @escaping @Sendable () -> Void
  ) {
    self.definition = definition
    self.store = store
    self.performer = performer
    self.circuits = circuits
    self.surroundings = surroundings
    self.board = board
    self.patience = patience
    inbox = EffectInbox(wake)
    notes = EffectNotes(definition, log: log, store: store)
  }

  private var title: String { "\(definition.kind.rawValue) \(definition.name)" }
  private var now: Duration { surroundings.clock.monotonic }

  public func step() -> StepOutcome {
    if status.halted != nil { return .finished }
    defer { publish() }
    do throws(WorkerStop) {
      // What came back is written down before anything else is begun.
      let concluded = try conclude()
      let found = try load()
      let begun = try begin()
      status.waiting = nil
      if concluded || found || begun { return .progressed }
      return .idle(for: min(Limits.idlePause, queue.wait(from: now) ?? Limits.idlePause))
    } catch {
      return stopped(error)
    }
  }

  /// Begins nothing more, waits for what is being performed, and writes that down; what does not end in time
  /// is performed again by the next run.
  public func drain(for limit: Duration = Limits.effectDrainTime) {
    let deadline = now + limit
    defer { publish() }
    while status.halted == nil {
      do throws(WorkerStop) { _ = try conclude() } catch { _ = stopped(error) }
      if inFlight.isEmpty && notes.isEmpty || now >= deadline { return }
      surroundings.clock.sleep(for: .milliseconds(5))
    }
  }

  /// Writes down what came back, and waits for nothing else: another relay asks the performer for what is
  /// being performed. The performer is to keep what comes from now on.
  public func leave() {
    if status.halted == nil {
      do throws(WorkerStop) { _ = try conclude() } catch { _ = stopped(error) }
    }
    for flight in inFlight.values { circuits.leave(flight.effect.target, at: now) }
    inFlight.removeAll()
    // Only what could not be written is left to wait for.
    drain()
  }

  private func stopped(_ stop: WorkerStop) -> StepOutcome {
    switch stop {
    case .wait(let diagnostic):
      if status.waiting == nil { surroundings.report(diagnostic) }
      status.waiting = diagnostic
      return .idle(for: Limits.fullDiskPause)
    case .halt(let diagnostic):
      status.halted = diagnostic
      publish()
      surroundings.report(diagnostic)
      return .finished
    }
  }

  private func publish() {
    status.inFlight = Set(inFlight.keys)
    status.open = queue.count
    board.publish(status)
  }

  // MARK: Taking up

  /// Takes up what was recorded since, and what a person wants performed again.
  private func load() throws(WorkerStop) -> Bool {
    var found: [LedgerEffect] = []
    let again = board.takeAgain()
    do throws(StoreError) {
      for sequence in again where sequence < loaded && inFlight[sequence] == nil {
        if let effect = try store.effect(sequence), effect.status.isOpen { found.append(effect) }
      }
      let room = Limits.effectsQueuedMax - queue.count
      if room > 0 {
        let fresh = try store.openEffects(from: loaded, limit: min(room, Limits.readRecordsMax))
        if let last = fresh.last { loaded = last.sequence + 1 }
        found += fresh
      }
    } catch {
      // They are not in the queue yet: the next step is to find them.
      board.lookAgain(again)
      throw .store(error, handler: title)
    }
    let (monotonic, wall) = (now, surroundings.clock.now.microseconds)
    for effect in found {
      // The time of day may have jumped: none waits longer than the longest wait.
      let wait = min(max(.zero, .microseconds(effect.dueMicroseconds - wall)), longestWait)
      queue.add(
        EffectQueue.Entry(
          sequence: effect.sequence, place: EffectQueue.Place(topic: effect.topic, key: effect.orderKey),
          target: effect.target, due: monotonic + wait))
    }
    return !found.isEmpty
  }

  private var longestWait: Duration { max(definition.retry.max, Limits.retryAfterMax) }

  // MARK: Beginning

  private func begin() throws(WorkerStop) -> Bool {
    var begun = false
    while inFlight.count < Limits.effectsAtOncePerHandler, !notes.isFull, let entry = queue.next(at: now) {
      if let later = hold(entry) {
        queue.later(entry.place, at: later)
        continue
      }
      let beginning: Beginning
      do throws(WorkerStop) { beginning = try begin(entry) } catch {
        circuits.leave(entry.target, at: now)
        queue.later(entry.place, at: now)
        throw error
      }
      if beginning != .begun { circuits.leave(entry.target, at: now) }
      switch beginning {
      case .begun: begun = true
      case .gone:
        queue.ended(entry.place)
        begun = true
      case .busy:
        queue.later(entry.place, at: now + .milliseconds(20))
        return begun
      }
    }
    return begun
  }

  /// When to look again at an effect that an open circuit holds back; nil: it may be tried.
  private func hold(_ entry: EffectQueue.Entry) -> Duration? {
    let end = entry.due + patience
    guard now < end, let later = circuits.ask(entry.target, at: now) else { return nil }
    return min(later, end)
  }

  private enum Beginning {
    case begun
    /// There is nothing to do any more.
    case gone
    case busy
  }

  private func begin(_ entry: EffectQueue.Entry) throws(WorkerStop) -> Beginning {
    let effect: LedgerEffect
    do throws(StoreError) {
      guard let found = try store.effect(entry.sequence), found.status.isOpen else { return .gone }
      effect = found
    } catch {
      throw .store(error, handler: title)
    }
    // A result that the ledger does not know: a process died before it did, or the file is a new one.
    if entry.tries == 0, let known = try notes.known(effect) {
      notes.add(effect, known, attempts: effect.attempts, at: surroundings.clock.now)
      return .gone
    }
    let job = EffectJob(key: effect.key, kind: effect.kind, request: EffectTemplate(effect.request))
    let (inbox, sequence) = (inbox, entry.sequence)
    inFlight[sequence] = Flight(effect: effect, place: entry.place)
    guard performer.begin(job, ended: { inbox.put(sequence, $0) }) else {
      inFlight.removeValue(forKey: sequence)
      return .busy
    }
    return .begun
  }

  // MARK: Concluding

  /// What came back is judged and written down, all of it at once.
  private func conclude() throws(WorkerStop) -> Bool {
    let ended = inbox.take()
    if !ended.isEmpty { CrashPoint.reach(.afterEffect) }
    for (sequence, outcome) in ended {
      guard let flight = inFlight.removeValue(forKey: sequence) else {
        preconditionFailure("effect \(sequence) ended twice")
      }
      judge(flight, outcome)
    }
    // Those that could not be written the last time are among them.
    guard !notes.isEmpty else { return !ended.isEmpty }
    try write()
    return true
  }

  private func write() throws(WorkerStop) {
    let written = try notes.write()
    status.done += written.done
    status.dead += written.dead
  }

  private func judge(_ flight: Flight, _ outcome: EffectOutcome) {
    let (effect, place) = (flight.effect, flight.place)
    let attempts = effect.attempts + 1
    switch outcome.verdict {
    case .left:
      circuits.leave(effect.target, at: now)
      return queue.later(place, at: now)
    case .done, .refused: circuits.succeed(effect.target)
    case .failed(let blamesTarget, let asked):
      let asked = asked.map { min($0, Limits.retryAfterMax) }
      if blamesTarget {
        if let rest = circuits.fail(effect.target, at: now, asked: asked) {
          surroundings.report(resting(effect, outcome, for: rest))
        }
      } else {
        circuits.succeed(effect.target)
      }
      status.failures += 1
      if attempts < definition.retry.attempts {
        return retry(effect, place, outcome, attempts: attempts, asked: asked)
      }
    }
    if outcome.verdict != .done { surroundings.report(report(effect, outcome, attempts: attempts)) }
    notes.add(
      effect, EffectResult(outcome, attempts: attempts, request: EffectTemplate(effect.request)),
      attempts: attempts, at: surroundings.clock.now)
    queue.ended(place)
  }

  private func retry(
    _ effect: LedgerEffect, _ place: EffectQueue.Place, _ outcome: EffectOutcome, attempts: Int,
    asked: Duration?
  ) {
    let policy = definition.retry.delay(afterAttempt: attempts, random: surroundings.randomness.next())
    let delay = max(policy, asked ?? .zero)
    notes.add(
      .failed(
        sequence: effect.sequence, attempts: attempts,
        dueMicroseconds: surroundings.clock.now.microseconds + Int64(delay / .microseconds(1)),
        error: outcome.error))
    queue.later(place, at: now + delay, due: now + delay)
  }

  /// Why nothing more is heard of a target for a while.
  private func resting(_ effect: LedgerEffect, _ outcome: EffectOutcome, for rest: Duration) -> Diagnostic {
    let seconds = Duration.seconds((rest / .seconds(1)).rounded(.up))
    return Diagnostic(
      .note, code: RuntimeCode.effectTargetRests.rawValue,
      "\(effect.kind.rawValue) to \(effect.target) is left alone for \(DurationText.text(seconds)): "
        + outcome.error)
  }

  /// An effect that was given up: no failure of the handler, so a warning.
  private func report(_ effect: LedgerEffect, _ outcome: EffectOutcome, attempts: Int) -> Diagnostic {
    let tried = attempts == 1 ? "1 try" : "\(attempts) tries"
    return Diagnostic(
      .warning, code: RuntimeCode.effectGivenUp.rawValue,
      "\(title): \(effect.kind.rawValue) to \(effect.target) was given up after \(tried): \(outcome.error)",
      at: definition.place
    )
    .adding("effect", "\(effect.key) · caused by \(effect.cause)")
    .adding(
      "state", "the result goes to on_result with ok = false; later effects of its key go on"
    )
    .adding("help", "moontide effects show \(effect.key) · moontide effects retry \(effect.key)")
  }
}

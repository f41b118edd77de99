import MoontideCore

/// What becomes of an instance: pure decisions, free of Lua and of files. One machine lives for one record:
/// `take` what happened, then carry out `next()` and say what it made with `did`, until nothing is left.
///
/// Forward, a stage begins when all steps of the one before it are done. Backward, steps are compensated one
/// after the other from the last to the first, each when the one before it was accepted.
struct SagaMachine {
  let plan: SagaPlan
  let moment: SagaMoment
  /// The time of day, and randomness, for the next try of what was refused.
  let wall: Int64
  let random: UInt64
  var instance: SagaInstance
  var actions: [SagaAction] = []
  /// Whether a stage may be done. Looked at when nothing is left to ask, so that what the script wishes for
  /// the same input comes first.
  private var isUnsettled = false

  init(
    _ plan: SagaPlan, _ instance: SagaInstance, at moment: SagaMoment, wall: Int64 = 0, random: UInt64 = 0
  ) {
    precondition(
      plan.steps.count == instance.steps.count,
      "an instance of \(instance.steps.count) steps meets a plan of \(plan.steps.count)")
    self.plan = plan
    self.instance = instance
    self.moment = moment
    self.wall = wall
    self.random = random
  }

  /// The next thing to ask of the script, or nil.
  mutating func next() -> SagaAction? {
    while actions.isEmpty, isUnsettled {
      isUnsettled = false
      settleStage()
    }
    return actions.isEmpty ? nil : actions.removeFirst()
  }

  mutating func take(_ input: SagaInput) {
    instance.changed = moment.position
    instance.microseconds = moment.microseconds
    switch input {
    case .start: begin()
    case .event(let type): takeEvent(type)
    case .startAgain(let type): takeEvent(type, isStart: true)
    case .outcome(let id, let verdict): takeOutcome(id, verdict)
    case .timer(let ordinal): fire(ordinal)
    case .retry: tryAgain()
    case .compensate(let reason): giveUp(SagaInstance.Why(reason: reason))
    case .complete: if instance.status == .running { complete() }
    case .result(let kind): if instance.hasEnded { note(.late, "the result of an effect (\(kind))") }
    case .migrated: goOn()
    }
  }

  /// What the script made of an action: the ids of the commands that it sent, none when it returned nothing.
  mutating func did(_ action: SagaAction, sent ids: [[UInt8]]) {
    switch action {
    case .send(let step):
      instance.steps[step].call = SagaCall()
      keep(ids, for: .step(step))
      if ids.isEmpty, instance.steps[step].phase == .waiting { finish(step, as: .skipped, nil) }
    case .compensate(let step, _):
      keep(ids, for: .compensation(step))
      if ids.isEmpty { compensated(step) }
    case .complete:
      keep(ids, for: .completion)
      if ids.isEmpty { end(.completed) }
    case .conclude:
      keep(ids, for: .conclusion)
      if ids.isEmpty { concluded() }
    case .timer: sentFreely(ids)
    }
  }

  /// The places of commands that the call returns again, and that are done: they are not sent anew.
  func accepted(_ action: SagaAction) -> [Int] {
    switch action {
    case .compensate(let step, _): instance.steps[step].call.accepted
    case .complete, .conclude: instance.call.accepted
    case .send, .timer: []
    }
  }

  /// Commands that `ctx.send` sent.
  mutating func sentFreely(_ ids: [[UInt8]]) {
    for id in ids {
      instance.pending.append(.init(id: id, purpose: .free, microseconds: moment.microseconds))
    }
  }

  private mutating func keep(_ ids: [[UInt8]], for purpose: SagaPurpose) {
    self[purpose].begin(sent: ids.count)
    for (id, place) in zip(ids, self[purpose].open) {
      instance.pending.append(
        .init(id: id, purpose: purpose, place: place, microseconds: moment.microseconds))
    }
  }

  /// The call that sent commands for that.
  private subscript(purpose: SagaPurpose) -> SagaCall {
    get {
      switch purpose {
      case .step(let step), .compensation(let step): instance.steps[step].call
      case .completion, .conclusion, .free: instance.call
      }
    }
    set {
      switch purpose {
      case .step(let step), .compensation(let step): instance.steps[step].call = newValue
      case .completion, .conclusion, .free: instance.call = newValue
      }
    }
  }

  func isPending(_ purpose: SagaPurpose) -> Bool { instance.pending.contains { $0.purpose == purpose } }

  mutating func ask(_ action: SagaAction) { actions.append(action) }

  mutating func note(_ kind: SagaInstance.Note.Kind, _ text: String) {
    instance.notes.append(.init(kind: kind, text: text, position: moment.position))
    if instance.notes.count > Limits.sagaNotesMax { instance.notes.removeFirst() }
  }

  // MARK: Forward

  private mutating func begin() {
    // A saga without steps goes on until it says ctx.complete().
    isUnsettled = !plan.steps.isEmpty
  }

  /// Where its steps were put elsewhere.
  private mutating func goOn() {
    switch instance.status {
    case .running: isUnsettled = !plan.steps.isEmpty
    case .compensating: compensateNext()
    default: break
    }
  }

  /// Begins what is to begin in the stage that the instance has come to, goes on behind one that is done, and
  /// completes it behind the last.
  private mutating func settleStage() {
    guard instance.status == .running else { return }
    guard instance.stage < plan.stages.count else { return complete() }
    // A script that was edited may have brought steps into a stage that runs.
    for step in plan.stages[instance.stage] {
      // An early failure of a step beside it has turned the saga around.
      guard instance.status == .running, instance.steps[step].phase == .idle else { continue }
      begin(step)
    }
    // While it runs, what is abandoned was passed over by a migration.
    let isDone = plan.stages[instance.stage].allSatisfy { step in
      [.succeeded, .skipped, .abandoned].contains(instance.steps[step].phase)
    }
    guard instance.status == .running, isDone else { return }
    instance.stage += 1
    isUnsettled = true
  }

  private mutating func begin(_ step: Int) {
    let early = instance.steps[step].early
    instance.steps[step].early = nil
    switch early {
    case .success(let position)?: set(step, .succeeded, result: position)
    case .failure(_, let type)?:
      set(step, .failed)
      fail(step, code: type)
    case nil:
      set(step, .waiting)
      if let timeout = plan.steps[step].timeout { setTimer(.step(step), after: timeout) }
      if plan.steps[step].sends { ask(.send(step)) }
    }
  }

  mutating func set(_ step: Int, _ phase: SagaStepState.Phase, result: Position? = nil) {
    instance.steps[step].phase = phase
    instance.steps[step].since = moment.microseconds
    if let result { instance.steps[step].result = result }
  }

  /// A step is done.
  private mutating func finish(_ step: Int, as phase: SagaStepState.Phase, _ result: Position?) {
    set(step, phase, result: result)
    dropTimers { $0 == .step(step) }
    isUnsettled = true
  }

  private mutating func complete() {
    instance.status = .completing
    instance.timers = []
    for step in plan.steps.indices where instance.steps[step].phase == .waiting { set(step, .skipped) }
    actions.removeAll { if case .send = $0 { true } else { false } }
    instance.call = SagaCall()
    if plan.completes { ask(.complete) } else { end(.completed) }
  }

  mutating func end(_ status: SagaInstance.Status) {
    instance.status = status
    instance.tries = 0
    instance.call = SagaCall()
    instance.timers = []
  }

  // MARK: Events

  private mutating func takeEvent(_ type: String, isStart: Bool = false) {
    if let step = find(type, \.succeedsOn, in: [.waiting]) {
      return finish(step, as: .succeeded, moment.position)
    }
    if let step = find(type, \.failsOn, in: [.waiting]) {
      set(step, .failed)
      return fail(step, code: type)
    }
    if let step = lateStep(type) { return takeLate(step) }
    if let step = doubtful(type) { return set(step, .failed) }
    if instance.hasEnded { return note(.late, type) }
    if instance.status == .running, keepEarly(type) { return }
    if isStart || isOfSteps(type) { note(.ignored, type) }
  }

  private func find(
    _ type: String, _ types: KeyPath<SagaStep, [String]>, in phases: [SagaStepState.Phase]
  ) -> Int? {
    plan.steps.indices.first {
      phases.contains(instance.steps[$0].phase) && plan.steps[$0][keyPath: types].contains(type)
    }
  }

  private func isOfSteps(_ type: String) -> Bool {
    plan.steps.contains { $0.succeedsOn.contains(type) || $0.failsOn.contains(type) }
  }

  private mutating func keepEarly(_ type: String) -> Bool {
    for step in plan.steps.indices
    where instance.steps[step].phase == .idle && instance.steps[step].early == nil {
      if plan.steps[step].succeedsOn.contains(type) {
        instance.steps[step].early = .success(moment.position)
        return true
      }
      if plan.steps[step].failsOn.contains(type) {
        instance.steps[step].early = .failure(moment.position, type: type)
        return true
      }
    }
    return false
  }

  // MARK: Outcomes

  private mutating func takeOutcome(_ id: [UInt8], _ verdict: SagaVerdict) {
    guard let index = instance.pending.firstIndex(where: { $0.id == id }) else { return }
    let command = instance.pending.remove(at: index)
    let purpose = command.purpose
    switch (purpose, verdict) {
    case (.step(let step), .accepted):
      // Where no event is named, all of its commands being accepted is what was waited for.
      guard plan.steps[step].succeedsOn.isEmpty, !isPending(purpose), !instance.steps[step].isRefused
      else { return }
      if isLate(step) { return takeLate(step) }
      if instance.steps[step].phase == .waiting { finish(step, as: .succeeded, moment.position) }
    case (.step(let step), .refused(let code, let text)):
      // Of several, the others may have been carried out.
      let isWhole = instance.steps[step].call.count < 2
      instance.steps[step].isRefused = true
      switch instance.steps[step].phase {
      case .waiting:
        set(step, isWhole ? .failed : .abandoned)
        fail(step, code: code, text: text)
      // It is known now that nothing was done.
      case .timedOut, .abandoned: if isWhole { set(step, .failed) }
      default: note(.ignored, "\(plan.steps[step].name): \(code)")
      }
    case (.compensation(let step), _):
      self[purpose].answer(command.place, verdict)
      if !isPending(purpose) { answeredCompensation(step) }
    case (.completion, _), (.conclusion, _):
      self[purpose].answer(command.place, verdict)
      if !isPending(purpose) { answeredEnd(purpose) }
    case (.free, .accepted): break
    case (.free, .refused(let code, let text)): note(.rejected, text.isEmpty ? code : "\(code): \(text)")
    }
  }

  // MARK: Timers

  private mutating func fire(_ ordinal: UInt64) {
    guard let index = instance.timers.firstIndex(where: { $0.ordinal == ordinal }) else { return }
    switch instance.timers.remove(at: index).purpose {
    case .named(let name): ask(.timer(name))
    case .step(let step):
      guard instance.steps[step].phase == .waiting else { return }
      set(step, .timedOut)
      fail(step, code: "timeout")
    case .retry(let step?):
      if instance.steps[step].phase == .compensating { callCompensation(step, again: true) }
    case .retry(nil):
      if instance.status == .completing { ask(.complete) }
      if instance.status == .concluding { ask(.conclude(why)) }
    }
  }

  /// Sets the timer of that purpose, in the place of one that is set.
  mutating func setTimer(_ purpose: SagaTimer.Purpose, after delay: Duration) {
    set(purpose, due: moment.microseconds.addingSaturated(Int64(delay / .microseconds(1))))
  }

  private mutating func set(_ purpose: SagaTimer.Purpose, due: Int64) {
    dropTimers { $0 == purpose }
    instance.timers.append(SagaTimer(ordinal: instance.timersSet, purpose: purpose, due: due))
    instance.timersSet += 1
  }

  mutating func dropTimers(where condition: (SagaTimer.Purpose) -> Bool) {
    instance.timers.removeAll { condition($0.purpose) }
  }

  /// Another try by the time of day; the `tries`-th was refused.
  mutating func setRetry(_ step: Int?, tries: Int) {
    let delay = plan.retry.delay(afterAttempt: tries, random: random)
    set(.retry(step), due: wall.addingSaturated(Int64(delay / .microseconds(1))))
  }

  var why: SagaInstance.Why { instance.why ?? SagaInstance.Why(reason: "") }
}

extension Int64 {
  func addingSaturated(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? (other > 0 ? .max : .min) : sum
  }
}

import MoontideCore

/// The way back.
extension SagaMachine {
  /// A step failed: everything that was done is undone.
  mutating func fail(_ step: Int, code: String, text: String = "") {
    let name = plan.steps[step].name
    giveUp(
      SagaInstance.Why(
        reason: "\(name): \(code)", step: name, code: code == "timeout" ? "" : code, text: text))
  }

  /// Turns around; nothing when it runs no more.
  mutating func giveUp(_ why: SagaInstance.Why) {
    guard instance.status == .running else { return }
    instance.status = .compensating
    instance.why = why
    // What was asked for and not carried out yet was never sent.
    for action in actions { if case .send(let step) = action { set(step, .skipped) } }
    actions.removeAll { if case .send = $0 { true } else { false } }
    for step in plan.steps.indices where instance.steps[step].phase == .waiting { set(step, .abandoned) }
    instance.timers = []
    compensateNext()
  }

  /// Whether a step may have been done, and can be undone.
  private func isOwed(_ step: Int) -> Bool {
    guard plan.steps[step].compensates else { return false }
    switch instance.steps[step].phase {
    case .succeeded, .timedOut, .abandoned: return true
    case .compensated: return instance.steps[step].owes
    default: return false
    }
  }

  private func isCompensatingStep(_ step: Int) -> Bool {
    instance.steps[step].phase == .compensating || instance.steps[step].phase == .stuck
  }

  /// Goes on with the last step that is not undone; one at a time.
  mutating func compensateNext() {
    guard instance.status == .compensating,
      !plan.steps.indices.contains(where: { isCompensatingStep($0) })
    else { return }
    guard let step = plan.steps.indices.last(where: { isOwed($0) }) else { return conclude() }
    set(step, .compensating)
    instance.steps[step].tries = 0
    callCompensation(step)
  }

  /// With the result, should it be known meanwhile.
  /// - Parameter again: whether what was accepted of the try before counts; not where it was without the
  ///   result, and is with it now: then it is another call.
  mutating func callCompensation(_ step: Int, again: Bool = false) {
    instance.steps[step].owes = false
    let isBlind = instance.steps[step].result == nil
    if !again || isBlind != instance.steps[step].isBlind { instance.steps[step].call = SagaCall() }
    instance.steps[step].isBlind = isBlind
    ask(.compensate(step, result: instance.steps[step].result))
  }

  mutating func compensated(_ step: Int) {
    guard isCompensatingStep(step) else { return }
    set(step, .compensated)
    instance.steps[step].call = SagaCall()
    instance.steps[step].tries = 0
    if instance.status == .stuck { instance.status = .compensating }
    compensateNext()
  }

  private mutating func conclude() {
    // A late success opened it again: people were told of its end before.
    if instance.hasConcluded { return end(.compensated) }
    instance.status = .concluding
    instance.tries = 0
    instance.call = SagaCall()
    if plan.concludes { ask(.conclude(why)) } else { concluded() }
  }

  mutating func concluded() {
    instance.hasConcluded = true
    end(.compensated)
    // What came late meanwhile is undone now.
    if plan.steps.indices.contains(where: { isOwed($0) }) {
      instance.status = .compensating
      compensateNext()
    }
  }

  // MARK: A success after a timeout

  /// The step whose compensation did not know whether it was done, and that now says it was.
  func lateStep(_ type: String) -> Int? {
    plan.steps.indices.first { plan.steps[$0].succeedsOn.contains(type) && isLate($0) }
  }

  /// Whether a success of the step is news to its compensation.
  func isLate(_ step: Int) -> Bool {
    let state = instance.steps[step]
    switch state.phase {
    case .timedOut, .abandoned: return state.result == nil && plan.steps[step].compensates
    case .compensating, .compensated, .stuck: return state.isBlind && state.result == nil
    default: return false
    }
  }

  /// A step whose turn to be undone has not come says that nothing was done.
  func doubtful(_ type: String) -> Int? {
    plan.steps.indices.first { step in
      plan.steps[step].failsOn.contains(type)
        && (instance.steps[step].phase == .timedOut || instance.steps[step].phase == .abandoned)
    }
  }

  /// Its compensation is called with the result: for the first time if it was not called yet, else again,
  /// once.
  mutating func takeLate(_ step: Int) {
    instance.steps[step].result = moment.position
    note(.late, "\(plan.steps[step].name): it was done after all")
    switch instance.steps[step].phase {
    case .compensating, .stuck, .compensated: instance.steps[step].owes = true
    default: return
    }
    guard instance.steps[step].phase == .compensated else { return }
    if instance.status == .compensated {
      instance.status = .compensating
      compensateNext()
    } else if instance.status == .compensating {
      compensateNext()
    }
    // While `compensated` is on its way it waits for that: see `concluded`.
  }

  // MARK: What is refused

  /// All commands of a compensation have their outcomes.
  mutating func answeredCompensation(_ step: Int) {
    guard let refusal = instance.steps[step].call.refusal else { return compensated(step) }
    guard instance.steps[step].phase == .compensating else { return }
    instance.steps[step].call.refusal = nil
    instance.steps[step].tries += 1
    let tries = instance.steps[step].tries
    if tries < plan.retry.attempts { return setRetry(step, tries: tries) }
    set(step, .stuck)
    stick("\(plan.steps[step].name): \(refusal.code)", refusal.text)
  }

  /// All commands of `completed` or `compensated` have theirs.
  mutating func answeredEnd(_ purpose: SagaPurpose) {
    guard let refusal = instance.call.refusal else {
      return purpose == .completion ? end(.completed) : concluded()
    }
    guard instance.status == .completing || instance.status == .concluding else { return }
    instance.call.refusal = nil
    instance.tries += 1
    if instance.tries < plan.retry.attempts { return setRetry(nil, tries: instance.tries) }
    stick("\(instance.status == .completing ? "completed" : "compensated"): \(refusal.code)", refusal.text)
  }

  private mutating func stick(_ what: String, _ text: String) {
    instance.stuckIn = instance.status
    instance.status = .stuck
    note(.rejected, text.isEmpty ? what : "\(what): \(text)")
  }

  /// A person asks for what is stuck again: with all tries.
  mutating func tryAgain() {
    guard instance.status == .stuck, let before = instance.stuckIn else { return }
    instance.status = before
    instance.stuckIn = nil
    instance.tries = 0
    switch before {
    case .completing: ask(.complete)
    case .concluding: ask(.conclude(why))
    default:
      for step in plan.steps.indices where instance.steps[step].phase == .stuck {
        set(step, .compensating)
        instance.steps[step].tries = 0
        callCompensation(step, again: true)
      }
    }
  }
}

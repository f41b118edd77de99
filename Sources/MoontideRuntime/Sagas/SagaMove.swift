import MoontideCore
import MoontideLua

/// Brings an open instance to the steps of an edited script, where its `migrate` says. Pure.
///
/// What was done stays done: a step of the same name keeps how it stands, its result and with it its
/// compensation, wherever it is now, and is not sent again when its turn comes. A step that is gone is gone
/// with its command, timer, result and compensation.
struct SagaMove {
  private let row: SagaRow
  private let stored: [SagaStepState]

  init(_ row: SagaRow, _ stored: [SagaStepState]) {
    self.row = row
    self.stored = stored
  }

  /// The first step that waits, or the one that is compensated; empty when it stands on none.
  var step: String {
    let phases: [SagaStepState.Phase] = [.waiting, .compensating, .stuck]
    return stored.first { phases.contains($0.phase) }?.name ?? ""
  }

  /// The steps of the plan as they stand for the instance.
  /// - Returns: nil where `target` is no step of the plan.
  func steps(_ plan: SagaPlan, to target: LuaSagaTarget) -> [SagaStepState]? {
    let known = Dictionary(stored.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    var steps = plan.steps.map { known[$0.name] ?? SagaStepState(name: $0.name) }
    // On its way back, or behind its last step, it goes on with what there is.
    guard row.status == SagaInstance.Status.running.rawValue, !plan.steps.isEmpty else { return steps }
    let first: Int
    switch target {
    case .end: first = steps.count
    case .same:
      let waiting = steps.indices.first { steps[$0].phase == .waiting }
      guard let waiting, let stage = plan.stages.first(where: { $0.contains(waiting) }) else { return nil }
      first = stage.lowerBound
    case .step(let name):
      guard let index = steps.firstIndex(where: { $0.name == name }),
        let stage = plan.stages.first(where: { $0.contains(index) })
      else { return nil }
      // It was passed over, and is to be done now.
      if steps[index].phase == .skipped || steps[index].phase == .abandoned {
        steps[index] = SagaStepState(name: name)
      }
      first = stage.lowerBound
    }
    for index in 0..<first {
      switch steps[index].phase {
      case .idle: steps[index].phase = .skipped
      // Its command is on its way: it may be done, and is undone like one that timed out.
      case .waiting: steps[index].phase = .abandoned
      default: break
      }
    }
    return steps
  }

  /// The instance with those steps, by the code of `coding`; nil when it is not readable.
  func instance(_ steps: [SagaStepState], _ coding: SagaCoding) -> SagaInstance? {
    guard var instance = coding.instance(row, SagaFit(steps: steps, plan: coding.plan)) else { return nil }
    instance.timers.removeAll { timer in
      if case .step(let step) = timer.purpose { return steps[step].phase != .waiting }
      return false
    }
    let isStuckOnStep = steps.contains { $0.phase == .stuck }
    if instance.status == .stuck, instance.stuckIn == .compensating, !isStuckOnStep {
      instance.status = .compensating
      instance.stuckIn = nil
    }
    instance.migrations += 1
    return instance
  }
}

import MoontideCore

/// Brings the steps that an instance knows to those that its saga has today. Steps that were begun must still
/// be there, in the same order; others may come and go. A new step before one that was begun is left out: its
/// turn is over.
struct SagaFit {
  let steps: [SagaStepState]
  /// The first stage that is not done.
  let stage: Int

  /// Nil when a step that was begun is gone, or stands elsewhere in the order, also in that of steps that
  /// were still to come.
  init?(_ stored: [SagaStepState], plan: SagaPlan) {
    var places: [String: Int] = [:]
    for (index, step) in plan.steps.enumerated() { places[step.name] = index }
    var fitted = plan.steps.map { SagaStepState(name: $0.name) }
    var last = -1
    for step in stored {
      guard let place = places[step.name] else {
        if step.phase == .idle { continue }
        return nil
      }
      fitted[place] = step
      if step.phase == .idle { continue }
      guard place > last else { return nil }
      last = place
    }
    let known = Set(stored.map(\.name))
    // What was to come lies before what was begun: it would never be done.
    let isMoved = stored.contains { $0.phase == .idle && places[$0.name] ?? .max < last }
    if isMoved { return nil }
    for place in fitted.indices where place < last && !known.contains(fitted[place].name) {
      fitted[place].phase = .skipped
    }
    steps = fitted
    stage = Self.stage(of: fitted, plan)
  }

  /// Steps that were put where they belong.
  init(steps: [SagaStepState], plan: SagaPlan) {
    self.steps = steps
    stage = Self.stage(of: steps, plan)
  }

  private static func stage(of steps: [SagaStepState], _ plan: SagaPlan) -> Int {
    // What a migration passed over is given up and not waited for.
    let passed: [SagaStepState.Phase] = [.succeeded, .skipped, .abandoned]
    return plan.stages.firstIndex { stage in
      !stage.allSatisfy { passed.contains(steps[$0].phase) }
    } ?? plan.stages.count
  }

  /// Of an instance that has ended: what is left of its steps, in whatever order.
  init(ended stored: [SagaStepState], plan: SagaPlan) {
    let known = Dictionary(stored.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    steps = plan.steps.map { known[$0.name] ?? SagaStepState(name: $0.name) }
    stage = plan.stages.count
  }
}

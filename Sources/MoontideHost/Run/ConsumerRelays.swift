import MoontideCore
import MoontideRuntime

/// What goes out of a consumer's file: emitted events into the log, effects to the performer. One thread and
/// one store for both.
final class ConsumerRelays: ClosingWorker {
  private let outbox: OutboxRelay
  private let effects: EffectRelay

  init(_ outbox: OutboxRelay, _ effects: EffectRelay) {
    self.outbox = outbox
    self.effects = effects
  }

  func step() -> StepOutcome {
    let outcomes = [outbox.step(), effects.step()]
    if outcomes.contains(.finished) { return .finished }
    if outcomes.contains(.progressed) { return .progressed }
    return .idle(
      for: outcomes.reduce(Limits.idlePause) { least, outcome in
        if case .idle(let wait) = outcome { min(least, wait) } else { least }
      })
  }

  func close(settled: Bool) throws(Diagnostic) { effects.drain() }
}

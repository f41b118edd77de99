import MoontideCore
import MoontideRuntime

/// What goes out of a consumer's file: emitted events into the log, effects to the performer. One thread and
/// one store for both.
final class ConsumerRelays: ClosingWorker {
  private let outbox: OutboxRelay
  private let effects: EffectRelay
  private let flights: FlightDesk

  init(_ outbox: OutboxRelay, _ effects: EffectRelay, _ flights: FlightDesk) {
    self.outbox = outbox
    self.effects = effects
    self.flights = flights
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

  func close(settled: Bool) throws(Diagnostic) {
    guard flights.isLeft else { return effects.drain() }
    flights.leave()
    effects.leave()
  }
}

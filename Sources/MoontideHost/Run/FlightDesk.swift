import MoontideRuntime
import Synchronization

/// The effects of one handler that are being performed, across versions of its script: when one takes over
/// from another, nobody waits for an effect that takes its time. The new one asks for it out of the ledger,
/// as for any that did not end, and is given the try that is under way, or what came of it. Any thread.
final class FlightDesk: EffectPerformer {
  private struct Flight {
    /// Who waits for its end; nil while nobody does.
    var ended: (@Sendable (EffectOutcome) -> Void)?
    /// What nobody took yet.
    var outcome: EffectOutcome?
  }

  private struct State {
    /// By key.
    var flights: [String: Flight] = [:]
    var isLeft = false
  }

  private let performer: any EffectPerformer
  private let state = Mutex(State())

  init(_ performer: any EffectPerformer) { self.performer = performer }

  /// Whether who works at it is about to make room for another one.
  var isLeft: Bool {
    get { state.withLock { $0.isLeft } }
    set { state.withLock { $0.isLeft = newValue } }
  }

  func begin(_ job: EffectJob, ended: @escaping @Sendable (EffectOutcome) -> Void) -> Bool {
    let (isKnown, outcome) = state.withLock { state -> (Bool, EffectOutcome?) in
      guard let known = state.flights[job.key] else {
        state.flights[job.key] = Flight(ended: ended)
        return (false, nil)
      }
      state.flights[job.key] = known.outcome == nil ? Flight(ended: ended) : nil
      return (true, known.outcome)
    }
    if let outcome { ended(outcome) }
    if isKnown { return true }
    let key = job.key
    if performer.begin(job, ended: { [self] in arrived(key, $0) }) { return true }
    state.withLock { state in state.flights[key] = nil }
    return false
  }

  /// Nobody waits for what is being performed, until somebody asks for it again.
  func leave() {
    state.withLock { state in
      for key in state.flights.keys { state.flights[key]?.ended = nil }
    }
  }

  private func arrived(_ key: String, _ outcome: EffectOutcome) {
    let ended = state.withLock { state in
      let ended = state.flights[key]?.ended
      state.flights[key] = ended == nil ? Flight(outcome: outcome) : nil
      return ended
    }
    ended?(outcome)
  }
}

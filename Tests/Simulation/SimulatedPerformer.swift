import MoontideCore
import MoontideRuntime
import MoontideSQLite

/// Performs the effects of one life of the process: requests reach the desk, answers come at once, later, or
/// not before the limit; with the process they are lost.
///
/// `@unchecked Sendable`: a simulation is one thread.
final class SimulatedPerformer: EffectPerformer, Worker, @unchecked Sendable {
  private struct Waiting {
    var due: Duration
    var outcome: EffectOutcome
    var ended: @Sendable (EffectOutcome) -> Void
  }

  private let desk: EffectDesk
  private let disk: SimulatedDisk
  private let clock: SimulatedClock
  private let bug: PlantedBug?
  /// What is committed of the handler whose effects these are.
  var eye: ConsumerStore?
  private var waiting: [Waiting] = []
  private var numbers: SeededNumbers { desk.numbers }

  init(_ desk: EffectDesk, _ disk: SimulatedDisk, _ clock: SimulatedClock, _ bug: PlantedBug?) {
    self.desk = desk
    self.disk = disk
    self.clock = clock
    self.bug = bug
  }

  func begin(_ job: EffectJob, ended: @escaping @Sendable (EffectOutcome) -> Void) -> Bool {
    let dice = numbers.below(24)
    // A process that died asks for nothing; a busy one is asked again.
    if disk.isDown || dice == 0 && !desk.isCalm { return false }
    var job = job
    if bug == .effectKeyChangesWithEachTry { job.key += "-\(desk.requests)" }
    arrive(job)
    // Requests are where it hurts most to die.
    if dice == 1, disk.crashAt != .max { disk.crashAt = disk.operations + 1 + numbers.below(4) }
    let outcome = outcome(numbers.below(24))
    let wait = numbers.pick([0, 0, 0, 2, 10, 40])
    if wait == 0 {
      ended(outcome)
    } else {
      waiting.append(
        Waiting(due: clock.monotonic + .milliseconds(wait), outcome: outcome, ended: ended))
    }
    return true
  }

  private func outcome(_ dice: Int) -> EffectOutcome {
    if desk.isCalm { return EffectOutcome(.done) }
    switch dice {
    case 0, 1: return EffectOutcome(.failed(blamesTarget: true, retryAfter: nil), error: "no answer in time")
    case 2, 3: return EffectOutcome(.failed(blamesTarget: false, retryAfter: nil), error: "500")
    case 4:
      return EffectOutcome(
        .failed(blamesTarget: true, retryAfter: .milliseconds(20)), error: "503, try later")
    case 5: return EffectOutcome(.refused, error: "404")
    default: return EffectOutcome(.done, response: Array("\"status\":200".utf8))
    }
  }

  private func arrive(_ job: EffectJob) {
    guard let eye else { preconditionFailure("nobody looks at what is committed") }
    let wasPaused = disk.isPaused
    disk.isPaused = true
    defer { disk.isPaused = wasPaused }
    do throws(StoreError) { desk.arrived(job, try eye.wholeLedger()) } catch {
      preconditionFailure("a ledger that cannot be read without a fault: \(error)")
    }
  }

  /// Answers that are due.
  func step() -> StepOutcome {
    let due = waiting.filter { $0.due <= clock.monotonic }
    if due.isEmpty { return .idle(for: .milliseconds(10)) }
    waiting.removeAll { $0.due <= clock.monotonic }
    for one in due { one.ended(one.outcome) }
    return .progressed
  }
}

extension ConsumerStore {
  /// All effects that are kept, in the order of their recording.
  func wholeLedger() throws(StoreError) -> [LedgerEffect] {
    var effects: [LedgerEffect] = []
    for sequence in 0..<(try effectEnd()) {
      if let effect = try effect(sequence) { effects.append(effect) }
    }
    return effects
  }
}

import MoontideCore

/// What one simulation is to do.
public struct SimulationPlan: Sendable {
  public enum Mode: String, Sendable {
    /// Faults and crashes to the end.
    case safety
    /// Then they stop, and everything must come to rest, with nothing left to do.
    case liveness
  }

  public var seed: UInt64
  public var mode = Mode.liveness
  /// Turns of the scheduler before the end.
  public var turns = 500
  /// Whether the disk fails at random.
  public var hasFaults = true
  /// Whether processes die at random.
  public var hasCrashes = true
  /// The changing operations at which the process dies: the first counted from the beginning, each other from
  /// the crash before.
  public var crashes: [Int] = []
  /// How it dies; nil: drawn.
  public var crashKind: CrashKind?
  public var bug: PlantedBug?
  /// Keeps a line for each operation of the disk.
  public var isTracing = false

  public init(seed: UInt64) { self.seed = seed }

  /// How a process dies.
  public enum CrashKind: String, CaseIterable, Sendable {
    case kill, powerCut
  }
}

/// What came out of it.
public struct SimulationOutcome: Sendable {
  public var seed: UInt64
  /// What is wrong, the first of them found first; empty when all is well.
  public var violations: [String] = []
  public var lives = 0
  public var kills = 0
  public var powerCuts = 0
  public var stops = 0
  public var faults = 0
  public var operations = 0
  public var records = 0
  public var trace: [String] = []
  /// Of all operations on the disk: equal for equal runs.
  public var digest = ""

  public init(seed: UInt64) { self.seed = seed }
}

/// Production code in one thread over a seeded disk, clock and scheduler; the same seed gives the same run.
public final class Simulation {
  private let plan: SimulationPlan
  private let numbers: SeededNumbers
  private let disk: SimulatedDisk
  private let clock = SimulatedClock()
  private let world: OutsideWorld
  private let witness = LogWitness()
  private let bugNumbers: SeededNumbers
  private var life: ProcessLife?
  private var outcome: SimulationOutcome
  private var crashes: [Int]
  /// The furthest checkpoints of handlers that must not go back.
  private var furthest: [String: [TopicPartition: Position]] = [:]
  private var faultsAtBirth = 0
  private var graveFaultsAtBirth = 0
  private var flipsAtBirth = 0
  private var failedBirths = 0
  private var isCalm = false

  public init(_ plan: SimulationPlan) {
    self.plan = plan
    numbers = SeededNumbers(plan.seed)
    disk = SimulatedDisk(numbers.fork())
    world = OutsideWorld(disk, numbers.fork())
    bugNumbers = numbers.fork()
    outcome = SimulationOutcome(seed: plan.seed)
    crashes = plan.crashes
    disk.isTracing = plan.isTracing
    clock.isStuck = plan.bug == .clockStands
    for path in ["p", "p/events", "p/events/pay", "p/data", "p/data/handlers", "p/data/readmodels"] {
      disk.make(directory: path)
    }
  }

  public func run() -> SimulationOutcome {
    if plan.hasFaults { disk.faults = DiskFaults.drawn(numbers) }
    scheduleCrash()
    for turn in 0..<plan.turns where outcome.violations.isEmpty {
      takeTurn()
      if turn % 64 == 63 { look(again: false) }
    }
    if outcome.violations.isEmpty { end() }
    life = nil
    outcome.faults = disk.faultCount + disk.flipCount
    outcome.operations = disk.operations
    outcome.records = witness.records.count
    outcome.trace = disk.trace
    outcome.digest = "\(disk.digest) \(witness.records.count)"
    return outcome
  }

  // MARK: Turns

  private func takeTurn() {
    guard let life = aliveOrBorn() else { return }
    clock.sleep(for: .microseconds(numbers.below(3_000)))
    let workers = life.workers
    let choice = numbers.below(workers.count + 4)
    if choice < workers.count {
      _ = workers[choice].step()
    } else if choice == workers.count {
      world.write()
    } else if choice == workers.count + 1 {
      do throws(LogError) { try world.publish(to: life.seam) } catch { judge(error) }
    } else {
      disturb(life)
    }
    noticeEnd(life)
  }

  /// What happens around the process.
  private func disturb(_ life: ProcessLife) {
    let dice = numbers.below(24)
    if plan.hasFaults, dice == 0 { disk.room = numbers.below(6_000) }
    if dice == 1 || dice == 2 { disk.room = .max }
    if dice == 3 { clock.jump(bySeconds: Int64(numbers.below(200_000)) - 100_000) }
    if dice == 4 || dice == 5 {
      do throws(StoreError) { try numbers.pick(life.handlers).projection?.checkpoint() } catch {
        if !hasExcuse { violate("a checkpoint of SQLite failed: \(error)") }
        // The run ends with that error, as the host has it.
        if !disk.isDown { kill() }
      }
    }
    if dice == 6, plan.hasCrashes { stop(life) }
  }

  /// What a process meets of a disk that fails is no violation; damage always is, but for bits that flipped.
  private var hasExcuse: Bool {
    disk.isDown || disk.faultCount > faultsAtBirth || disk.room != .max || hasFlips
  }
  private var hasFlips: Bool { disk.flipCount > flipsAtBirth }

  private func judge(_ error: LogError) {
    if case .damaged = error, !hasFlips, !disk.isDown { violate("I1: the log says \(error)") }
    if !hasExcuse { violate("the log refused without a fault: \(error)") }
  }

  private func violate(_ text: String) { outcome.violations.append(text) }

  // MARK: Lives

  private func scheduleCrash() {
    if !plan.crashes.isEmpty {
      disk.crashAt = crashes.isEmpty ? .max : disk.operations + crashes.removeFirst()
    } else if plan.hasCrashes, !isCalm {
      let span = numbers.pick([20, 100, 400])
      disk.crashAt = disk.operations + 1 + numbers.below(span)
    } else {
      disk.crashAt = .max
    }
  }

  private func aliveOrBorn() -> ProcessLife? {
    if let life { return life }
    if failedBirths > 20 { disk.faults = .none; disk.room = .max }
    faultsAtBirth = disk.faultCount
    graveFaultsAtBirth = disk.graveFaultCount
    flipsAtBirth = disk.flipCount
    // What flips while a log is opened may be taken for the torn end of it: no log can tell.
    let flips = disk.faults.flip
    disk.faults.flip = 0
    defer { disk.faults.flip = flips }
    outcome.lives += 1
    do throws(LifeFailure) {
      let born = try ProcessLife(
        .init(disk: disk, clock: clock, numbers: numbers, bug: plan.bug, bugNumbers: bugNumbers))
      life = born
      failedBirths = 0
      look(again: true)
      return born
    } catch {
      failedBirths += 1
      if disk.isDown {
        fall()
      } else {
        if error.saysDamage { violate("a process does not come up: \(error)") }
        if !hasExcuse { violate("a process does not come up without a fault: \(error)") }
        kill()
      }
      return nil
    }
  }

  /// The process died at a crash point.
  private func fall() {
    life = nil
    if plan.crashKind.map({ $0 == .powerCut }) ?? numbers.chance(0.6) {
      disk.cutPower()
      outcome.powerCuts += 1
      forgetDerived(if: true)
    } else {
      forgetDerived(if: disk.faultCount > faultsAtBirth)
      disk.kill()
      outcome.kills += 1
    }
    scheduleCrash()
  }

  private func noticeEnd(_ life: ProcessLife) {
    guard self.life === life else { return }
    if disk.isDown { return fall() }
    let failures = life.failures
    guard !failures.isEmpty else { return }
    // A full disk and descriptors that are short pass: whoever meets them waits.
    guard disk.graveFaultCount > graveFaultsAtBirth || hasFlips else {
      return violate("a worker stopped without a fault that stays: \(failures)")
    }
    // A person sees it and starts the process again.
    if numbers.chance(0.5) { stop(life) } else { kill() }
  }

  private func kill() {
    life = nil
    forgetDerived(if: disk.faultCount > faultsAtBirth)
    disk.kill()
    outcome.kills += 1
  }

  /// A read model may go back, with its checkpoint, when the system lost what was not synced.
  private func forgetDerived(if isLost: Bool) {
    if isLost { furthest = furthest.filter { $0.key == "receipts" || $0.key == "gate" } }
  }

  private func stop(_ life: ProcessLife) {
    if let error = life.stop() { judge(error) }
    outcome.stops += 1
    self.life = nil
    forgetDerived(if: disk.faultCount > faultsAtBirth)
    if disk.isDown { fall() } else { disk.kill() }
  }

  // MARK: Looking

  private func look(again: Bool) {
    guard let life, !disk.isDown else { return }
    disk.isPaused = true
    defer { disk.isPaused = false }
    do throws(LogError) {
      if again { try witness.readAgain(life.seam) } else { try witness.readOn(life.seam) }
    } catch { violate("I1: the log cannot be read: \(error)") }
    outcome.violations += witness.violations
    outcome.violations += LogOracle(world: world, records: witness.records).promised()
    for handler in life.handlers { look(at: handler, life) }
  }

  private func look(at handler: HandlerLife, _ life: ProcessLife) {
    do throws(StoreError) {
      let evidence = try handler.evidence(witness.records)
      outcome.violations += HandlerOracle(evidence, events: world.events)
        .violations(durableEnd: life.log.durableEnd)
      let name = handler.definition.name
      for (place, position) in furthest[name] ?? [:]
      where evidence.ledger.checkpoints[place] ?? .start < position {
        violate("I6: \(name) was at \(position) of \(place.topic)/\(place.partition) and went back")
      }
      furthest[name] = evidence.ledger.checkpoints
    } catch { violate("the store of \(handler.definition.name) cannot be read: \(error)") }
  }

  // MARK: The end

  private func end() {
    isCalm = true
    if plan.mode == .safety {
      for _ in 0..<50 where life == nil && outcome.violations.isEmpty { _ = aliveOrBorn() }
      return look(again: true)
    }
    disk.faults = .none
    disk.room = .max
    if plan.crashes.isEmpty { disk.crashAt = .max }
    world.finish()
    if let life, numbers.chance(0.3) || hasExcuse || !life.failures.isEmpty { stop(life) }
    guard comeToRest() else { return }
    look(again: false)
    guard let life, outcome.violations.isEmpty else { return }
    disk.isPaused = true
    outcome.violations += LogOracle(world: world, records: witness.records).complete()
    for handler in life.handlers {
      do throws(StoreError) {
        outcome.violations += HandlerOracle(
          try handler.evidence(witness.records), events: world.events
        ).unfinished()
      } catch { violate("the store of \(handler.definition.name) cannot be read: \(error)") }
    }
    disk.isPaused = false
    if numbers.chance(0.5) { stop(life) }
  }

  /// Everybody works until nobody has anything to do; false when that never comes.
  private func comeToRest() -> Bool {
    var idle = 0
    for _ in 0..<3_000 where outcome.violations.isEmpty {
      guard let life = aliveOrBorn() else { continue }
      var progressed = false
      for worker in life.workers where self.life === life {
        if case .progressed = worker.step() { progressed = true }
        noticeEnd(life)
      }
      clock.sleep(for: progressed ? .milliseconds(1) : .milliseconds(20))
      idle = progressed || self.life == nil ? 0 : idle + 1
      // Longer than any backoff and any interval of polling.
      if idle > 30 {
        for handler in life.handlers { handler.settle() }
        if !disk.isDown { return true }
        fall()
        idle = 0
      }
    }
    if outcome.violations.isEmpty { violate("I10: there is no end to it") }
    return outcome.violations.isEmpty
  }
}

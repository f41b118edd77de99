import MoontideCore

/// Production code in one thread over a seeded disk, clock and scheduler; the same seed gives the same run.
public final class Simulation {
  private var plan: SimulationPlan
  private let numbers: SeededNumbers
  private let disk: SimulatedDisk
  private let clock = SimulatedClock()
  private let scene: any Scene
  private let bugNumbers: SeededNumbers
  private var life: ProcessLife?
  /// Things that may happen outside in a turn; see `Scene.act`.
  static let acts = 5
  private var outcome: SimulationOutcome
  private var crashes: [Int]
  private let flushInterval: Duration
  private var turnsLeft: Int
  private var (faultsAtBirth, graveFaultsAtBirth, flipsAtBirth, failedBirths) = (0, 0, 0, 0)
  private var isCalm = false

  public init(_ plan: SimulationPlan) {
    self.plan = plan
    numbers = SeededNumbers(plan.seed)
    disk = SimulatedDisk(numbers.fork())
    scene =
      switch plan.scenario {
      case .accounts: AccountScene(disk, numbers)
      case .checkout: CheckoutScene(disk, numbers, clock, plan)
      }
    flushInterval = numbers.chance(0.3) ? .milliseconds(100) : .zero
    turnsLeft = plan.turns
    bugNumbers = numbers.fork()
    outcome = SimulationOutcome(seed: plan.seed)
    crashes = plan.crashes
    disk.isTracing = plan.isTracing
    clock.isStuck = plan.bug == .clockStands
    scene.mayRefuse = { [unowned self] in hasExcuse }
    for path in [
      "p", "p/events", "p/events/pay", "p/events/accounts", "p/commands", "p/data", "p/data/handlers",
      "p/data/readmodels",
    ] { disk.make(directory: path) }
  }

  public func run() -> SimulationOutcome {
    if plan.hasFaults { disk.faults = DiskFaults.drawn(numbers) }
    scheduleCrash()
    while turnsLeft > 0, outcome.violations.isEmpty {
      turnsLeft -= 1
      takeTurn()
      if turnsLeft % 64 == 0 { look(again: false) }
    }
    if outcome.violations.isEmpty { end() }
    drop()
    outcome.faults = disk.faultCount + disk.flipCount
    outcome.operations = disk.operations
    outcome.records = scene.recordCount
    outcome.tally = scene.tally
    outcome.trace = disk.trace
    outcome.digest = "\(disk.digest) \(scene.recordCount)"
    return outcome
  }

  // MARK: Sweeping

  /// Asks at every changing operation whether the process dies there.
  func probe(_ probe: @escaping (_ operation: Int) -> Bool) { disk.crashProbe = probe }

  /// Whether a process is up.
  var isUp: Bool { life != nil && !disk.isDown }

  /// This run becomes one of many ends of the same beginning: it dies, and draws other numbers from now on.
  /// - Parameter turns: how many are left before the end.
  func branch(_ kind: SimulationPlan.CrashKind, seed: UInt64, turns: Int) {
    plan.crashKind = kind
    turnsLeft = min(turnsLeft, turns)
    plan.mends = false
    disk.numbers.turn(to: seed)
    numbers.turn(to: seed &+ 1)
  }

  // MARK: Turns

  private func takeTurn() {
    guard let life = aliveOrBorn() else { return }
    clock.sleep(for: .microseconds(numbers.below(3_000)))
    let workers = life.workers
    let choice = numbers.below(workers.count + Self.acts + 2)
    if choice < workers.count {
      _ = workers[choice].step()
    } else if choice < workers.count + Self.acts {
      do throws(LogError) { try scene.act(choice - workers.count, life, numbers) } catch { judge(error) }
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
    if dice == 3 {
      let most = numbers.pick([200_000, 700_000_000])
      clock.jump(bySeconds: Int64(numbers.below(most) - most / 2))
    }
    if dice == 4 || dice == 5 {
      do throws(StoreError) { try numbers.pick(life.handlers).checkpoint() } catch {
        if !hasExcuse { violate("a checkpoint of SQLite failed: \(error)") }
        // The run ends with that error, as the host has it.
        if !disk.isDown { kill() }
      }
    }
    if dice == 6, plan.hasStops { stop(life) }
    if dice >= 20, plan.hasPeople { decide(numbers.pick(life.handlers), life, all: false) }
  }

  /// A person looks at the dead letters of a handler, and decides about some of them, or has all tried again.
  /// False when there are none; true too when the process has just died, and it is to be asked again.
  @discardableResult private func decide(_ handler: HandlerLife, _ life: ProcessLife, all: Bool) -> Bool {
    if disk.isDown { return true }
    disk.isPaused = true
    var letters: [Position] = []
    do throws(StoreError) { letters = try handler.deadLetters().map(\.position) } catch {
      violate("the dead letters of \(handler.definition.name) cannot be read: \(error)")
    }
    disk.isPaused = false
    guard !letters.isEmpty else { return false }
    let name = handler.definition.identityName
    do throws(Diagnostic) {
      try scene.decide(name, letters, all: all, life)
    } catch {
      if !hasExcuse { violate("a decision was refused without a fault: \(error.title)") }
    }
    return true
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
    if plan.hasPeople, !isCalm, numbers.chance(0.2) {
      scene.edit(numbers)
    }
    // A cache may be deleted at any time.
    if plan.hasPeople, numbers.chance(0.05) {
      for cache in scene.caches {
        for ending in ["", "-wal", "-shm"] { disk.unlink(cache + ending) }
      }
    }
    scene.begins()
    do throws(LifeFailure) {
      let born = try ProcessLife(
        .init(
          disk: disk, clock: clock, numbers: numbers, scene: scene, flushInterval: flushInterval,
          bug: plan.bug, bugNumbers: bugNumbers))
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

  /// Its end reaches the disk, where the probe looks at it: it must be out of its place by then.
  private func drop() {
    let gone = life
    life = nil
    scene.forgetUnderWay()
    withExtendedLifetime(gone) {}
  }

  /// The process died at a crash point.
  private func fall() {
    drop()
    if plan.crashKind.map({ $0 == .powerCut }) ?? numbers.chance(0.6) {
      disk.cutPower()
      outcome.powerCuts += 1
      scene.forgetDerived()
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
    // SQLite's files never change by themselves here.
    for complaint in life.handlers.flatMap(\.complaints) { violate("I3: \(complaint)") }
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
    disk.stopProcess()
    drop()
    forgetDerived(if: disk.faultCount > faultsAtBirth)
    disk.kill()
    outcome.kills += 1
  }

  private func forgetDerived(if isLost: Bool) {
    if isLost { scene.forgetDerived() }
  }

  private func stop(_ life: ProcessLife) {
    let problems = life.stop(settled: numbers.chance(0.3))
    if let error = problems.log { judge(error) }
    for problem in problems.handlers where !hasExcuse { violate("an end without a fault: \(problem.title)") }
    outcome.stops += 1
    drop()
    forgetDerived(if: disk.faultCount > faultsAtBirth)
    if disk.isDown { fall() } else { disk.kill() }
  }

  // MARK: Looking

  private func look(again: Bool) {
    guard let life, !disk.isDown else { return }
    disk.isPaused = true
    outcome.violations += scene.look(at: life, again: again)
    disk.isPaused = false
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
    scene.finish()
    if let life, numbers.chance(0.3) || hasExcuse || !life.failures.isEmpty { stop(life) }
    guard comeToRest() else { return }
    lookAtRest(isMended: false)
    if plan.hasPeople, plan.mends ?? numbers.chance(0.5) {
      decideAtRest()
      mend()
    }
    if let life, outcome.violations.isEmpty, numbers.chance(0.5) { stop(life) }
  }

  /// Decisions about a read model and nothing else before the next start: it is rebuilt to where it was.
  private func decideAtRest() {
    guard let life, outcome.violations.isEmpty, let totals = life.handlers.first,
      totals.definition.kind == .projection
    else { return }
    guard decide(totals, life, all: false), comeToRest(), let now = self.life else { return }
    stop(now)
    guard comeToRest() else { return }
    lookAtRest(isMended: false)
  }

  /// Every script is mended, everything tried again and every read model rebuilt: then nothing is dead. What
  /// a crash keeps a person from, he does again.
  private func mend() {
    scene.mend()
    for _ in 0..<5 {
      guard let life, outcome.violations.isEmpty else { return }
      stop(life)
      guard comeToRest(), let next = self.life else { return }
      look(again: false)
      let asked = next.handlers.map { decide($0, next, all: true) }
      var asksMore = disk.isDown
      do throws(LogError) { asksMore = try scene.askAgain(next) || asksMore } catch {
        judge(error)
        asksMore = true
      }
      if !asked.contains(true), !asksMore { break }
      guard comeToRest() else { return }
    }
    lookAtRest(isMended: true)
  }

  private func lookAtRest(isMended: Bool) {
    look(again: false)
    guard let life, outcome.violations.isEmpty else { return }
    disk.isPaused = true
    outcome.violations += scene.lookAtRest(life, isMended: isMended)
    disk.isPaused = false
  }

  /// Everybody works until nobody has anything to do; false when that never comes.
  private func comeToRest() -> Bool {
    var idle = 0
    // Time may move on that often, and between two times this often everybody is asked.
    var (moves, turns) = (1_000, 3_000)
    while turns > 0, outcome.violations.isEmpty {
      turns -= 1
      guard let life = aliveOrBorn() else { continue }
      var progressed = scene.sendAgain(to: life)
      for worker in life.workers where self.life === life {
        if case .progressed = worker.step() { progressed = true }
        noticeEnd(life)
      }
      clock.sleep(for: progressed ? .milliseconds(1) : .milliseconds(20))
      idle = progressed || self.life == nil ? 0 : idle + 1
      // Longer than any backoff and any interval of polling.
      if idle > 30 {
        for handler in life.handlers { handler.settle() }
        idle = 0
        var hasMoved = false
        do throws(LogError) { if moves > 0 { hasMoved = try scene.moveTimeOn(life, clock) } } catch {
          judge(error)
        }
        if hasMoved {
          moves -= 1
          turns = 3_000
          continue
        }
        if !disk.isDown { return true }
        fall()
      }
    }
    if outcome.violations.isEmpty { violate("I10: there is no end to it") }
    return outcome.violations.isEmpty
  }
}

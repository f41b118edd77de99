import MoontideCore
import MoontideHost
import MoontideRuntime
import MoontideSQLite

/// A shop whose orders are brought to their end by sagas, over three deciders and the effects of a consumer.
final class CheckoutScene: Scene {
  let handlerNames = ["checkout", "reminder", "herald"]
  let deciderNames = ["order", "stock", "card"]
  let caches = ["p/.moontide/snapshots/stock.sqlite"]
  var mayRefuse: () -> Bool = { false }
  private let plan: SimulationPlan
  private let disk: SimulatedDisk
  private let randomness: SeededNumbers
  private let customers: Customers
  private let desk: EffectDesk
  private let lookout: CheckoutLookout
  private var isMended = false
  /// What event time was moved on to.
  private var reached = Int64.min

  init(_ disk: SimulatedDisk, _ numbers: SeededNumbers, _ clock: SimulatedClock, _ plan: SimulationPlan) {
    self.plan = plan
    self.disk = disk
    customers = Customers(disk, numbers.fork(), clock)
    desk = EffectDesk(numbers.fork())
    lookout = CheckoutLookout(desk, customers)
    randomness = numbers.fork()
  }

  var catalog: ProjectCatalog {
    guard let catalog = CheckoutScripts.catalogs[isMended] else { preconditionFailure("no scripts") }
    return catalog
  }
  var tally: [String: Int] { lookout.tally }
  var recordCount: Int { lookout.witness.records.count }

  func performer(_ clock: SimulatedClock) -> SimulatedPerformer? {
    SimulatedPerformer(desk, disk, clock, plan.bug)
  }

  // MARK: What happens

  func act(_ number: Int, _ life: ProcessLife, _ numbers: SeededNumbers) throws(LogError) {
    switch number {
    case 0: customers.order()
    case 1: customers.tend()
    case 2:
      try readOn(life)
      customers.answer(lookout.witness.records, all: false)
    case 3 where plan.hasPeople && numbers.chance(0.3):
      try customers.decide(open(life), life.seam)
    case 4 where plan.hasPeople && numbers.chance(0.2): performAgain(life)
    default: if numbers.chance(0.3) { customers.repeatLine() }
    }
  }

  /// A person has an effect that was given up performed again.
  private func performAgain(_ life: ProcessLife) {
    guard !disk.isDown, let store = life.handlers[2].reacting else { return }
    let dead = paused {
      do throws(StoreError) { return try store.wholeLedger().filter { $0.status == .dead } } catch {
        preconditionFailure("a ledger that cannot be read without a fault: \(error)")
      }
    }
    guard !dead.isEmpty else { return }
    do throws(StoreError) { try life.handlers[2].performAgain([randomness.pick(dead).sequence]) } catch {
      // What refuses it is the disk, of which every other part tells.
      if !mayRefuse() { lookout.witness.note("effects cannot be retried without a fault: \(error)") }
    }
  }

  /// What somebody outside sees of the log; it costs the process nothing.
  private func readOn(_ life: ProcessLife) throws(LogError) {
    try paused { () throws(LogError) in try lookout.witness.readOn(life.seam) }
  }

  private func paused<Value, Failure: Error>(_ body: () throws(Failure) -> Value) throws(Failure) -> Value {
    let wasPaused = disk.isPaused
    disk.isPaused = true
    defer { disk.isPaused = wasPaused }
    return try body()
  }

  /// Instances of the checkout that have not ended.
  private func open(_ life: ProcessLife) -> [SagaRow] {
    guard !disk.isDown, let store = life.handlers[0].reacting else { return [] }
    return paused {
      do throws(StoreError) { return try store.openSagas(except: "", after: nil, limit: 10_000) } catch {
        preconditionFailure("instances that cannot be read without a fault: \(error)")
      }
    }
  }

  func decide(
    _ handler: String, _ letters: [Position], all: Bool, _ life: ProcessLife
  ) throws(Diagnostic) {
    let some = all ? letters : letters.filter { _ in randomness.chance(0.7) }
    guard !some.isEmpty else { return }
    try DecisionWriter(log: life.seam, randomness: randomness).write([(handler, Decision(.retry, some))])
  }

  func edit(_ numbers: SeededNumbers) { isMended = numbers.chance(0.3) }
  func mend() { isMended = true }
  func begins() { lookout.wasMended = lookout.wasMended || isMended }
  func forgetUnderWay() {}
  func forgetDerived() {}
  func finish() { desk.isCalm = true }
  func sendAgain(to life: ProcessLife) -> Bool { false }

  func moveTimeOn(_ life: ProcessLife, _ clock: SimulatedClock) throws(LogError) -> Bool {
    if disk.isDown { return false }
    try readOn(life)
    if customers.answer(lookout.witness.records, all: true) { return true }
    let due = paused { lookout.nextTimers(life) }
    // What is due already and does not come is for the oracles.
    var hasMoved = false
    if let event = due.event, event > reached {
      try customers.advance(to: event, life.seam)
      reached = event
      hasMoved = true
    }
    if let wall = due.wall, wall > clock.now.microseconds {
      clock.jump(bySeconds: (wall - clock.now.microseconds) / 1_000_000 + 1)
      hasMoved = true
    }
    if due.hasEffects { clock.sleep(for: Limits.retryAfterMax) }
    return hasMoved || due.hasEffects
  }

  func askAgain(_ life: ProcessLife) throws(LogError) -> Bool {
    try customers.retry(open(life), life.seam)
  }

  // MARK: Judging

  func look(at life: ProcessLife, again: Bool) -> [String] { lookout.look(at: life, again: again) }
  func lookAtRest(_ life: ProcessLife, isMended: Bool) -> [String] {
    lookout.lookAtRest(life, isMended: isMended)
  }
}

import MoontideCore
import MoontideRuntime

/// Payments with their read models and consumers, and a bank with its accounts.
final class AccountScene: Scene {
  let handlerNames = ["totals", "arrivals", "receipts", "gate", "till", "clerk"]
  let deciderNames = ["account"]
  let caches = ["p/.moontide/snapshots/account.sqlite"]
  private let world: OutsideWorld
  private let person: Person
  private let bank: Bank
  private let lookout: Lookout
  private var edition = ScriptEdition()

  init(_ disk: SimulatedDisk, _ numbers: SeededNumbers) {
    world = OutsideWorld(disk, numbers.fork())
    person = Person(world, numbers.fork())
    bank = Bank(disk, numbers.fork())
    lookout = Lookout(world: world, person: person, bank: bank)
  }

  let tally: [String: Int] = [:]
  var catalog: ProjectCatalog { SimulationScripts.catalog(edition) }
  var recordCount: Int { lookout.witness.records.count }
  var mayRefuse: () -> Bool {
    get { bank.mayRefuse }
    set { bank.mayRefuse = newValue }
  }

  func performer(_ clock: SimulatedClock) -> SimulatedPerformer? { nil }

  func act(_ number: Int, _ life: ProcessLife, _ numbers: SeededNumbers) throws(LogError) {
    switch number {
    case 0: world.write()
    case 1: try world.publish(to: life.seam)
    case 2 where numbers.chance(0.7): bank.write()
    case 2: try bank.publish(to: life.seam)
    default: bank.send(to: life)
    }
  }

  func decide(
    _ handler: String, _ letters: [Position], all: Bool, _ life: ProcessLife
  ) throws(Diagnostic) {
    if all {
      try person.retry(handler, letters, life)
    } else {
      try person.decide(handler, letters, life, lookout.witness.records)
    }
  }

  func edit(_ numbers: SeededNumbers) {
    edition = numbers.pick(ScriptEdition.all)
    lookout.forgetEdited()
  }

  func mend() { edition = ScriptEdition(totals: 2, isMended: true, accounts: edition.accounts) }
  func begins() { lookout.wasMended = lookout.wasMended || edition.isMended }
  func forgetUnderWay() { bank.forgetUnderWay() }
  func forgetDerived() { lookout.forgetDerived() }
  func finish() { world.finish() }
  func sendAgain(to life: ProcessLife) -> Bool { bank.sendAgain(to: life) }
  func moveTimeOn(_ life: ProcessLife, _ clock: SimulatedClock) -> Bool { false }
  func askAgain(_ life: ProcessLife) -> Bool { false }

  func look(at life: ProcessLife, again: Bool) -> [String] { lookout.look(at: life, again: again) }
  func lookAtRest(_ life: ProcessLife, isMended: Bool) -> [String] {
    lookout.lookAtRest(life, isMended: isMended)
  }
}

import Foundation
import Simulation
import Testing

struct SimulationTests {
  @Test func `a first seed`() {
    let environment = ProcessInfo.processInfo.environment
    let first = environment["MOONTIDE_SEED"].flatMap(UInt64.init) ?? 1
    let count = environment["MOONTIDE_SEEDS"].flatMap(UInt64.init) ?? 20
    for seed in first..<first + count {
      var plan = SimulationPlan(seed: seed)
      plan.isTracing = count == 1
      let outcome = Simulation(plan).run()
      print(seed, outcome.lives, outcome.kills, outcome.powerCuts, outcome.stops, outcome.faults,
        outcome.operations, outcome.records, outcome.digest)
      #expect(outcome.violations.isEmpty, "seed \(seed): \(outcome.violations.prefix(3).joined(separator: "\n"))")
      if count == 1 { for line in outcome.trace.suffix(60) { print(line) } }
    }
  }
}

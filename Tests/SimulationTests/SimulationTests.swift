import Foundation
import Simulation
import Testing

/// Production code over a seeded disk, clock and scheduler. `MOONTIDE_SEED` runs one seed alone,
/// `MOONTIDE_SEEDS` sets how many run, `MOONTIDE_SWEEP` the step of the crash-point sweep (1: every point).
@Suite(.serialized) struct SimulationTests {
  private static func number(_ name: String) -> UInt64? {
    ProcessInfo.processInfo.environment[name].flatMap(UInt64.init)
  }

  /// Seeds that found something once, and the first hundred; then fresh ones.
  private static let found: [SimulationPlan.Scenario: [UInt64]] = [
    .accounts: [9_000_036, 20_261_348, 30_000_015, 310_000_151, 310_000_387]
  ]

  private func check(
    _ seed: UInt64, _ mode: SimulationPlan.Mode, _ scenario: SimulationPlan.Scenario
  ) -> SimulationOutcome {
    var plan = SimulationPlan(seed: seed)
    plan.mode = mode
    plan.scenario = scenario
    let outcome = Simulation(plan).run()
    #expect(
      outcome.violations.isEmpty,
      """
      seed \(seed), \(mode), \(scenario): \(outcome.violations.prefix(3).joined(separator: "\n"))
      again: MOONTIDE_SEED=\(seed) swift test --filter SimulationTests
      """)
    return outcome
  }

  @Test(arguments: SimulationPlan.Scenario.allCases)
  func `faults and crashes leave every promise kept, and all comes to rest when they stop`(
    scenario: SimulationPlan.Scenario
  ) {
    if let seed = Self.number("MOONTIDE_SEED") {
      for mode in [SimulationPlan.Mode.liveness, .safety] { _ = check(seed, mode, scenario) }
      return
    }
    let count = Self.number("MOONTIDE_SEEDS") ?? 8
    let fresh = UInt64.random(in: 1_000_000...1_000_000_000)
    let seeds =
      (Self.found[scenario] ?? []) + Array(1...max(1, count / 2))
      + Array(fresh..<fresh + max(1, count / 2))
    var (crashes, faults, records) = (0, 0, 0)
    var tally: [String: Int] = [:]
    let began = ContinuousClock.now
    for seed in seeds {
      let outcome = check(seed, seed % 4 == 0 ? .safety : .liveness, scenario)
      crashes += outcome.kills + outcome.powerCuts
      faults += outcome.faults
      records += outcome.records
      tally.merge(outcome.tally) { $0 + $1 }
    }
    let told = tally.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    print(
      "simulation of \(scenario): \(seeds.count) seeds (fresh ones from \(fresh)), \(crashes) crashes, "
        + "\(faults) faults, \(records) records in \(ContinuousClock.now - began) \(told)")
    #expect(crashes > seeds.count && faults > seeds.count / 4 && records > seeds.count * 5)
    if scenario == .checkout {
      for word in ["confirmed", "cancelled", "refunded", "step reserve", "step charge"] {
        #expect(tally[word] ?? 0 > 0, "\(word) never happened: \(told)")
      }
      #expect(tally["requests"] ?? 0 > tally["effects"] ?? 0, "no effect was ever tried again: \(told)")
    }
  }

  @Test(arguments: SimulationPlan.Scenario.allCases)
  func `a seed gives the same run again`(scenario: SimulationPlan.Scenario) {
    func run(_ seed: UInt64) -> SimulationOutcome {
      var plan = SimulationPlan(seed: seed)
      plan.scenario = scenario
      plan.turns = 120
      return Simulation(plan).run()
    }
    let (one, again, other) = (run(3), run(3), run(4))
    #expect(one.digest == again.digest && one.operations == again.operations, "\(one) \(again)")
    #expect(one.digest != other.digest)
  }

  /// By the binary beside the tests: it forks at every point, which only a process of one thread may do.
  @Test(arguments: [(SimulationPlan.Scenario.accounts, 250), (.checkout, 650)])
  func `a crash at any operation, and another one while coming up, breaks no promise`(
    scenario: SimulationPlan.Scenario, usual: Int
  ) throws {
    let step = Self.number("MOONTIDE_SWEEP").map { Int($0) } ?? usual
    let seed = Self.number("MOONTIDE_SEED") ?? 11
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
      .appending(path: "simulate")
    process.arguments = [
      "--sweep", "\(seed)", "--scenario", scenario.rawValue, "--step", "\(max(1, step))", "--recovery",
      step > 1 ? "25" : "1",
    ]
    let output = Pipe()
    process.standardOutput = output
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    print("sweep: \(text)")
    let points = text.split(separator: "\n").last?.split(separator: " ").first.flatMap { Int($0) } ?? 0
    #expect(points > 500, "the scenario has only \(points) operations: \(text)")
    #expect(process.terminationStatus == 0, "\(text)")
  }
}
